"""The functions that run in the cloud, and the work behind them."""

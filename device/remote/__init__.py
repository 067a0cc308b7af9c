"""What an operator sends, and what is said in return: commands, settings by shadow, status."""

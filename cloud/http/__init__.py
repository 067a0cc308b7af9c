"""The HTTP API: what the command line and MQTT do, for programs that speak HTTP."""

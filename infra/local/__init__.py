"""Everything on one machine: MiniStack, the Lambda service and the credentials endpoint."""

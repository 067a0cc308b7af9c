"""What `provision`, `rotate` and `revoke` are made of: certificates, folders, serial numbers."""

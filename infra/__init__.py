"""What exists and how it comes to be: the template, deploying, provisioning, one machine."""

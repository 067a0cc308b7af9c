"""The link to AWS IoT Core and the bucket, and why it does not stand where it does not."""

"""`verify-on-aws`: the whole way of a frame on a real stack, with a report to paste."""

"""From the bytes of an image to decisions about the faces in it.

`image` decodes, `detector` finds faces, `alignment` cuts them out, `engines` turns them into
embeddings, `matcher` compares those with a gallery; `recognizer` does all but the last.
"""

"""The files of an image: what each layer does, read from its tar and never unpacked; the tree that all layers add up to; what
differs between two trees. It knows no place: layers come in as bytes. Imports: errors, sizes and oci.
"""

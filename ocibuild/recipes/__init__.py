"""One module a verb: what ocibuild does, as short recipes over the other packages. `ocibuild.api` is their table of contents.

The only package that joins the others, which meet through the ports of `ocibuild.oci.blobs`.
"""

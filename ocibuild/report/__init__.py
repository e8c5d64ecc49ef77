"""An image as one HTML file: what it holds, for people. Data goes in as values and comes out as bytes; nothing is read or written
but the page's own parts. Imports: sizes, findings, oci, graph, tree and differences.
"""

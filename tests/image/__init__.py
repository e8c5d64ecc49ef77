"""Documents of images: what is assembled from layers, settings and bases, and what is found below a name."""

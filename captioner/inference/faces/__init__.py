"""Finds faces in a picture and turns each into a vector. Needs numpy, Pillow and LiteRT.

process     `FaceProcess`: the service's side; worker: the child process
manifest    manifest.json of a face bundle
detector    from pixels to boxes and five points a face; two_scales: in the whole picture, then in parts of it
alignment   an upright picture of each face
finder      from an encoded picture to faces with their vectors
"""

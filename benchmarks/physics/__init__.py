"""The planar engine compared with Box2D: accuracy and speed."""

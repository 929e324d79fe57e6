"""Folders of image files and archives of them: which files are images, and which folders classes and splits."""

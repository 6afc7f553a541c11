"""Datasets of posed views: building, checking, showing, exporting."""

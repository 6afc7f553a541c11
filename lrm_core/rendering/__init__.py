"""Views of radiance fields and meshes: rays, samples, volume rendering, camera paths."""

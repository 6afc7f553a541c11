"""Plain data that flows between the floors: cameras, rays, triplanes, meshes, reconstructions."""

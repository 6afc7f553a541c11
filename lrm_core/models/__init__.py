"""The model: image encoder, camera modulation, triplane decoder, NeRF MLP, and its weights."""

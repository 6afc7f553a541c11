"""Operations on images: framing, matting, letterboxing, color, sheets of pictures."""

"""A ComfyUI node: image and mask to a 3D file, made by `lrm serve`. Standard library only.

Copy this file into ComfyUI's `custom_nodes/`, start `lrm serve`, and connect the node's output to
*Preview 3D*. Written against ComfyUI's documented node interface; not tried inside ComfyUI.
"""

import json
import struct
import urllib.error
import urllib.request
import uuid
import zlib
from pathlib import Path
from typing import Any


class LrmImageTo3D:
    """One photo to a textured mesh."""

    CATEGORY = "3d"
    FUNCTION = "reconstruct"
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("model_file",)
    OUTPUT_NODE = True
    DESCRIPTION = "One photo to a textured 3D mesh with lrm serve."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802 - ComfyUI's name
        """What ComfyUI shows."""
        return {
            "required": {
                "image": ("IMAGE",),
                "format": (["glb", "3mf", "stl", "usdz", "ply"],),
                "resolution": ("INT", {"default": 256, "min": 64, "max": 512, "step": 64}),
                "texture_size": ([1024, 512, 2048, 4096],),
                "url": ("STRING", {"default": "http://127.0.0.1:8000"}),
            },
            "optional": {
                "mask": ("MASK",),
                # Load Image marks what is transparent
                "mask_marks": (["background", "object"],),
                "token": ("STRING", {"default": ""}),
            },
        }

    def reconstruct(
        self,
        image: Any,
        format: str,
        resolution: int,
        texture_size: int,
        url: str,
        mask: Any = None,
        mask_marks: str = "background",
        token: str = "",
    ) -> dict[str, Any]:
        """The file of the first image, below ComfyUI's folder of outputs.

        Args:
            image: (B, H, W, 3) in [0, 1].
            format: suffix of the file.
            resolution: grid points per axis.
            texture_size: side of the texture in pixels.
            url: address of the server.
            mask: (B, H, W) in [0, 1], or None.
            mask_marks: what is 1 in the mask.
            token: what the server demands, or "".
        """
        files = {"photo": encode_png(image[0])}
        if mask is not None and mask.shape[1:] == image.shape[1:3]:
            alpha = mask[0] if mask_marks == "object" else 1.0 - mask[0]
            if 0.0 < float(alpha.mean()) < 1.0:  # Load Image gives an empty one for opaque files
                files["mask"] = encode_png(alpha[..., None].expand(-1, -1, 3))
        options = {"resolution": str(resolution), "texture_size": str(texture_size)}
        content = ask(
            f"{url.rstrip('/')}/api/v1/reconstruct?format={format}", options, files, token
        )
        path = output_folder() / f"lrm_{uuid.uuid4().hex[:8]}.{format}"
        path.write_bytes(content)
        return {"ui": {"3d": [{"filename": path.name, "type": "output"}]}, "result": (path.name,)}


def output_folder() -> Path:
    """Where ComfyUI keeps what its nodes make."""
    import folder_paths  # ComfyUI's own module

    return Path(folder_paths.get_output_directory())


def encode_png(pixels: Any) -> bytes:
    """A PNG of an (H, W, 3) tensor in [0, 1]."""
    height, width = pixels.shape[:2]
    rows = (pixels.clamp(0, 1) * 255 + 0.5).byte().contiguous().cpu().numpy().reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)  # every row unfiltered
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 3)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def ask(address: str, fields: dict[str, str], files: dict[str, bytes], token: str) -> bytes:
    """Send a form and return the answer.

    Raises:
        RuntimeError: what the server says about the photo.
    """
    boundary = uuid.uuid4().hex
    heads = {f'name="{name}"': value.encode() for name, value in fields.items()}
    heads |= {f'name="{name}"; filename="{name}.png"': content for name, content in files.items()}
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + part + b"\r\n"
        for head, part in heads.items()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(address, body + f"--{boundary}--\r\n".encode(), headers)
    try:
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        problem = json.loads(error.read())["error"]
        raise RuntimeError(f"{problem['message']}. {problem['hint']}") from error


NODE_CLASS_MAPPINGS = {"LrmImageTo3D": LrmImageTo3D}
NODE_DISPLAY_NAME_MAPPINGS = {"LrmImageTo3D": "lrm: image to 3D"}

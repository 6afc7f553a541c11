// What names of the API are called on the page.

export const STAGES = {
  starting: "Starting",
  read: "Reading the photo",
  background: "Removing the background",
  framing: "Framing the object",
  "encode and decode": "Looking at the photo",
  "grid query": "Sampling the shape",
  "marching cubes": "Extracting the surface",
  cleaning: "Simplifying the surface",
  "photo colours": "Projecting the photo",
  "photo colors": "Projecting the photo",
  "vertex colours": "Coloring",
  "vertex colors": "Coloring",
  "uv unwrap": "Unwrapping",
  "texture bake": "Baking the texture",
  write: "Writing the mesh",
};

export const METHODS = {
  auto: "Automatic",
  alpha: "Transparency of the file",
  border: "Plain background",
  u2netp: "Neural network",
  rembg: "Larger neural network",
  grabcut: "GrabCut",
  none: "Keep everything",
};

const FOUND = {
  alpha: "Cut out by the file's own transparency.",
  border: "Cut out of a plain background.",
  u2netp: "Cut out by a neural network.",
  grabcut: "Cut out by GrabCut.",
  none: "Nothing is removed.",
};

export const foundBy = (method) =>
  FOUND[method] ?? (method?.startsWith("rembg") ? "Cut out by a neural network." : "");

// 3 -> "3rd"
export const ordinal = (number) => {
  const ending = { one: "st", two: "nd", few: "rd", other: "th" };
  return number + ending[new Intl.PluralRules("en", { type: "ordinal" }).select(number)];
};

// "stem" of "folder/stem.jpg", as a file name for downloads
export const stemOf = (name) => (name ?? "").replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N} _-]/gu, "") || "mesh";

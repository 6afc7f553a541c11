// What names of the API are called on the page.

export const STAGES = {
  starting: "Starting",
  read: "Reading the photo",
  background: "Removing the background",
  framing: "Framing the object",
  "encode and decode": "Looking at the photo",
  fusion: "Joining the photos",
  "grid query": "Sampling the shape",
  "marching cubes": "Extracting the surface",
  cleaning: "Simplifying the surface",
  "photo colors": "Projecting the photo",
  "photo colors": "Projecting the photo",
  "vertex colors": "Coloring",
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

// 90 -> "90 minutes", 480 -> "8 hours"
export const durationOf = (minutes) => {
  const hours = minutes / 60, whole = minutes >= 60 && Number.isInteger(hours);
  const [count, unit] = whole ? [hours, "hour"] : [minutes, "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
};

// seconds since the epoch -> "14:05", with the day where it is not today
export const timeOf = (seconds) => {
  const when = new Date(seconds * 1000), today = when.toDateString() === new Date().toDateString();
  return when.toLocaleString([], { ...(today ? {} : { weekday: "long" }), hour: "2-digit", minute: "2-digit" });
};

// "stem" of "folder/stem.jpg", as a file name for downloads
export const stemOf = (name) => (name ?? "").replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N} _-]/gu, "") || "mesh";

// A photo to a mesh with `lrm serve`, followed while it is made. Node 18 or newer, no packages.
//
// node examples/serve/client.mjs photo.jpg mesh.glb [http://127.0.0.1:8000] [TOKEN]

import { readFile, writeFile } from "node:fs/promises";
import { extname } from "node:path";

const [photo, mesh, url = "http://127.0.0.1:8000", token = ""] = process.argv.slice(2);
const headers = token ? { Authorization: `Bearer ${token}` } : {};

const ask = async (path, settings = {}) => {
  const answer = await fetch(url.replace(/\/$/, "") + path, { headers, ...settings });
  if (answer.ok) return answer;
  const { error } = await answer.json();
  throw new Error(`${error.message} ${error.hint}`);
};

const body = new FormData();
body.append("photo", new Blob([await readFile(photo)]), "photo");
let job = await (await ask("/api/v1/jobs", { method: "POST", body })).json();

let text = "";
const events = await ask(`/api/v1/jobs/${job.id}/events`);
for await (const part of events.body.pipeThrough(new TextDecoderStream())) {
  text += part;
  const lines = text.split("\n");
  text = lines.pop();
  for (const line of lines.filter((one) => one.startsWith("data: "))) {
    job = JSON.parse(line.slice(6));
    console.error(`${Math.round(100 * job.progress)}% ${job.stage || job.state}`);
  }
}
if (job.state !== "done") throw new Error(job.error?.message ?? job.state);
const file = await ask(`/api/v1/jobs/${job.id}/files/mesh${extname(mesh)}`);
await writeFile(mesh, Buffer.from(await file.arrayBuffer()));

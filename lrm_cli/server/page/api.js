// What the page asks of its server; every path is relative, so that a prefix of a proxy is kept.

const ROOT = "api/v1/";

// An error in words, for people: message and hint.
export class Problem extends Error {
  constructor({ type, message, hint = "" }) {
    super(message);
    this.type = type; // as the API names it; undefined where the page itself complains
    this.hint = hint;
  }
}

const OFFLINE = { message: "The server does not answer.", hint: "Is lrm serve still running?" };

const ask = async (path, settings) => {
  const response = await fetch(path, settings).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(OFFLINE);
  });
  if (response.ok) return response;
  const { error } = await response.json().catch(() => ({}));
  throw new Problem(error ?? { message: `The server answered ${response.status}.` });
};

const form = (fields) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Blob) data.append(name, value, value.name ?? name);
    else if (value !== null && value !== "") data.append(name, value);
  }
  return data;
};

export const readInfo = async () => (await ask(`${ROOT}info`)).json();

export const readExample = async (name) => (await ask(`static/${name}`)).blob();

// The object of a photo, how it was found, and what to look at.
export const cutOut = async (photo, options, signal) => {
  const body = form({ photo, ...options });
  const response = await ask(`${ROOT}cutout`, { method: "POST", body, signal });
  return {
    image: await response.blob(),
    method: response.headers.get("Lrm-Background-Removal"),
    warning: decodeURIComponent(response.headers.get("Lrm-Warning") ?? ""),
  };
};

export const createJob = async (fields) =>
  (await ask(`${ROOT}jobs`, { method: "POST", body: form(fields) })).json();

export const readJob = async (id) => (await ask(`${ROOT}jobs/${id}`)).json();

export const stopJob = (id) => ask(`${ROOT}jobs/${id}`, { method: "DELETE" });

export const fileUrl = (id, name) => `${ROOT}jobs/${id}/files/${name}`;

// Calls `show` with every state of a job; the promise is fulfilled when the job has ended.
export const followJob = (id, show) =>
  new Promise((done, failed) => {
    const events = new EventSource(`${ROOT}jobs/${id}/events`);
    const end = (finish, value) => {
      events.close();
      finish(value);
    };
    events.addEventListener("job", (event) => {
      const job = JSON.parse(event.data);
      show(job);
      if (["done", "failed", "cancelled"].includes(job.state)) end(done, job);
    });
    // the browser asks again by itself, unless the server has said no
    events.addEventListener("error", () => {
      readJob(id).catch((error) => end(failed, error));
    });
  });

// The page: photo -> cut-out -> job -> mesh. The job's id stands in the address, so that a reload
// finds it again.

import {
  Problem, createJob, cutOut, fileUrl, followJob, readExample, readInfo, readJob, stopJob,
} from "./api.js";
import { CutoutEditor } from "./cutout.js";
import { SidePhotos } from "./sides.js";
import { METHODS, STAGES, durationOf, foundBy, ordinal, stemOf, timeOf } from "./words.js";

const $ = (selector) => document.querySelector(selector);
const $$ = (selector) => [...document.querySelectorAll(selector)];
const show = (element, visible = true) => { $(element).hidden = !visible; };

let info = null;
let photo = null; // the file
let stem = "mesh"; // of the names of downloads
let job = null; // the one that is waited for or shown
let busy = false;
let cutting = null; // AbortController of the cut-out that is being made

const editor = new CutoutEditor($("#board"), () => { $("#undo").disabled = !editor.edited; });

const complain = (error) => {
  if (error?.name === "AbortError") return;
  const known = error instanceof Problem;
  if (error && !known) console.error(error);
  show("#problem", Boolean(error));
  $("#problem strong").textContent = known ? error.message : "The page met an error of its own.";
  $("#problem span").textContent = known ? error.hint : "Reload it and try again.";
};

// run something that may fail, and say so
const attempt = (action) => async (...values) => {
  complain(null);
  try {
    await action(...values);
  } catch (error) {
    complain(error);
  }
};

const cutOutOf = (file, settings = {}) =>
  cutOut(file, { background_removal: $("#method").value, keep: $("#keep").value, ...settings.fields }, settings.signal);

const sides = new SidePhotos($("#sides"), {
  cut: async (file) => {
    checkSize({ ...sides.photos, photo });
    return (await cutOutOf(file, { fields: { max_side: 256 } })).image;
  },
  complain,
  changed: () => refresh(),
});

const refresh = () => {
  $("#make").disabled = busy || cutting !== null || photo === null || sides.busy;
  show("#choose", photo === null);
  show("#cutout", photo !== null);
  show("#cutting", cutting !== null);
};

// ---- the photo and its cut-out

const checkSize = (files) => {
  const sizes = Object.values(files).map((file) => file.size);
  const size = sizes.reduce((sum, each) => sum + each, 0);
  if (!info || size <= info.max_upload_bytes) return;
  const [have, most] = [size, info.max_upload_bytes].map((bytes) => (bytes / 1e6).toFixed(1));
  const what = sizes.length > 1 ? "The photos have" : "This file has";
  throw new Problem({ message: `${what} ${have} MB, at most ${most} MB are taken.`, hint: "Save the photo smaller." });
};

const choosePhoto = attempt(async (file) => {
  if (!file) return;
  checkSize({ file });
  sides.clear(); // of another object
  photo = file;
  stem = stemOf(file.name);
  $("#method").value = "auto";
  await makeCutout();
});

const makeCutout = async () => {
  cutting?.abort();
  const mine = cutting = new AbortController();
  refresh();
  try {
    const found = await cutOutOf(photo, { signal: mine.signal });
    const [whole, cutout] = await Promise.all([readWhole(mine.signal), createImageBitmap(found.image)]);
    if (mine !== cutting) return;
    editor.show(whole, cutout);
    $("#found").textContent = found.warning ? "Look at the cut-out: parts may be missing. Fix it with the brush." : foundBy(found.method);
    show("#board");
  } catch (error) {
    if (mine !== cutting) return;
    // a photo that cannot be read is let go; one without an object may need another method
    const empty = error.type === "EmptyForegroundError";
    const shown = error.type !== "InputError" && await createImageBitmap(photo).catch(() => null);
    if (empty || shown) await showUncut(mine.signal);
    else photo = null;
    throw error;
  } finally {
    if (mine === cutting) cutting = null;
    refresh();
  }
};

// HEIC, TIFF and others that this browser does not know are read by the server
const readWhole = async (signal) =>
  createImageBitmap(photo).catch(async () => createImageBitmap((await cutOutOf(photo, { fields: { background_removal: "none" }, signal })).image));

const showUncut = async (signal) => {
  const whole = await readWhole(signal);
  editor.show(whole, whole);
  $("#found").textContent = "Nothing was cut out. Try another method, or the brush.";
};

const letGo = () => {
  cutting?.abort();
  cutting = photo = null;
  sides.clear();
  complain(null);
  for (const input of $$("input[type=file]")) input.value = "";
  $("input[name=tool][value=look]").click();
  refresh();
  $("#file").focus();
};

// ---- the job

const makeMesh = attempt(async () => {
  const fields = { photo, ...sides.photos, background_removal: $("#method").value, keep: $("#keep").value };
  for (const { name, type, value, checked } of $$("#options [name]")) {
    fields[name] = type === "checkbox" ? checked : value;
  }
  if (editor.edited) fields.mask = await editor.maskImage();
  setBusy(true);
  try {
    await waitFor(await createJob(fields));
  } finally {
    setBusy(false);
  }
});

const setBusy = (value) => {
  busy = value;
  show("#progress", value);
  $("#stop").disabled = false;
  refresh();
};

const waitFor = async (created) => {
  job = created;
  history.replaceState(null, "", `#job=${job.id}`);
  showProgress(job);
  const ended = await followJob(job.id, showProgress);
  if (ended.state === "failed") throw new Problem(ended.error);
  if (ended.state === "done") await showMesh(ended);
};

const showProgress = ({ state, position, stage, progress }) => {
  const waiting = state === "waiting";
  const loading = info?.state === "loading" ? "Loading the model" : "Next in the queue";
  const place = position > 1 ? `${ordinal(position)} in the queue` : loading;
  $("#stage").textContent = waiting ? place : STAGES[stage] ?? stage;
  if (waiting) $("#bar").removeAttribute("value");
  else $("#bar").value = progress;
};

const stop = attempt(async () => {
  $("#stop").disabled = true;
  if (job) await stopJob(job.id);
});

// ---- the mesh

const showMesh = async ({ id, record, warning, seconds, expires }) => {
  const viewer = $("#viewer");
  show("#viewer");
  show("#empty", false);
  viewer.src = undefined;
  viewer.setAttribute("src", fileUrl(id, "mesh.glb"));
  viewer.reset();
  $("#seen img").src = fileUrl(id, "mesh.input.png");
  for (const part of ["#seen", "#tools", "#downloads"]) show(part);
  $("#facts").textContent = [
    `${record.num_faces.toLocaleString("en")} faces`, `${seconds.toFixed(1)} s`,
  ].join(" · ");
  show("#warning", Boolean(warning));
  $("#warning").textContent = `Look at it from all sides: ${warning}.`;
  $("#until").textContent = `Kept until ${timeOf(expires)}.`;
  nameDownloads(id);
  if (matchMedia("(max-width: 46rem)").matches) {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    $("#result").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
  }
};

const nameDownloads = (id) => {
  const size = $("#size");
  for (const link of $$("[data-file]")) {
    const name = link.dataset.file, ending = name.replace("mesh", "");
    const sized = link.closest(".row").contains(size) && size.checkValidity() && size.value;
    link.href = fileUrl(id, name) + (sized ? `?size=${size.value}mm` : "");
    link.download = stem + ending;
  }
};

// ---- start

const showInfo = async () => {
  info = await readInfo();
  const model = info.model;
  $("#model").textContent = model ? `${model.name} · ${model.licence}` : "loading the model";
  $("#version").textContent = `lrm ${info.version} ·`;
  const use = model?.commercial_use ? "commercial use allowed" : "no commercial use";
  $("#licence").textContent = model ? `· weights: ${model.name}, ${model.licence}, ${use}` : "";
  for (const option of $$("[name=resolution] option")) {
    option.hidden = option.disabled = Number(option.value) > info.max_resolution;
  }
  const keep = $("[name=keep_minutes]");
  if (keep.options.length === 1) {
    keep.options[0].text = durationOf(info.keep_minutes);
    const longer = [480, 1440].filter((minutes) => minutes > info.keep_minutes && minutes <= info.max_keep_minutes);
    keep.append(...longer.map((minutes) => new Option(durationOf(minutes), minutes)));
  }
  if (!$("#method").options.length) {
    $("#method").append(...info.background_removal.map((name) => new Option(METHODS[name], name)));
  }
  if (info.state === "loading") setTimeout(showInfo, 1000);
};

const resume = attempt(async () => {
  const id = new URLSearchParams(location.hash.slice(1)).get("job");
  if (!id) return;
  const known = await readJob(id).catch(() => null); // forgotten meanwhile: begin anew
  if (!known) return history.replaceState(null, "", " ");
  if (known.state === "done") return showMesh(known);
  setBusy(true);
  try {
    await waitFor(known);
  } finally {
    setBusy(false);
  }
});

const listen = () => {
  for (const input of $$("#choose input")) {
    input.addEventListener("change", () => choosePhoto(input.files[0]));
  }
  const drags = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!drags(event)) return;
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!drags(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files, slot = event.target.closest?.("[data-side]");
    if (slot) sides.add(slot.dataset.side, file);
    else choosePhoto(file);
  });
  addEventListener("paste", (event) => choosePhoto(event.clipboardData?.files[0]));
  for (const button of $$("[data-example]")) {
    const name = button.dataset.example;
    button.addEventListener("click", attempt(async () => {
      choosePhoto(new File([await readExample(name)], name, { type: "image/webp" }));
    }));
  }
  for (const radio of $$("[name=tool]")) {
    radio.addEventListener("change", () => { editor.tool = radio.value; });
  }
  for (const radio of $$("[name=mode]")) {
    radio.addEventListener("change", () => $("#viewer").setAttribute("mode", radio.value));
  }
  $("#brush").addEventListener("input", () => { editor.brush = Number($("#brush").value); });
  $("#undo").addEventListener("click", () => editor.undo());
  for (const choice of ["#method", "#keep"]) {
    $(choice).addEventListener("change", attempt(async () => {
      sides.renew();
      await makeCutout();
    }));
  }
  $("#another").addEventListener("click", letGo);
  $("#make").addEventListener("click", makeMesh);
  $("#stop").addEventListener("click", stop);
  $("#reset").addEventListener("click", () => $("#viewer").reset());
  $("#size").addEventListener("input", () => job && nameDownloads(job.id));
};

listen();
refresh();
editor.brush = Number($("#brush").value);
attempt(showInfo)();
resume();

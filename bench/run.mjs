// The workloads of `pangea trial field` and `trial crowd` for Pangea, a bare server and Colyseus, one after the
// other on this machine: `node bench/run.mjs [--help]`. The server runs on the first core, the players on the
// second. What is compared is CPU time of the server's process per client and tick.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "..");
const COLYSEUS = path.join(ROOT, "bench/colyseus");
/** A driver that takes more of its core measures itself. */
const MOST_DRIVER_SHARE = 0.9;
/** A server that ticks slower does not hold its 20 Hz. */
const HELD_HZ = 19;
/** Ticks at the edges of the counting, whose frames may not have come. */
const MOST_TICKS_NOT_TOLD = 2;
/** No run takes longer. */
const RUN_TIMEOUT_MS = 300_000;
/** Colyseus needs it. */
const NODE_MAJOR = 22;

const OPTIONS = {
  workloads: ["field,crowd", "what is played, of field, dense, crowd"],
  players: ["1000", "players of field and dense"],
  visible: ["8", "others that each sees in field; in dense it is 50"],
  crowd: ["400", "players of crowd, who all see each other"],
  seconds: ["6", "seconds of counting in each run"],
  repeat: ["1", "runs of everything; the median counts"],
  seed: ["1", "seed of the trials"],
  pangea: ["", "the program; without it this repository's is built, optimised"],
};

const { values } = parseArgs({
  options: {
    ...Object.fromEntries(Object.entries(OPTIONS).map(([name, [value]]) => [name, { type: "string", default: value }])),
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  const lines = Object.entries(OPTIONS).map(([name, [value, help]]) => `  --${name.padEnd(10)} ${help} [${value}]`);
  console.log(["node bench/run.mjs", ...lines, "  --json       the figures as JSON"].join("\n"));
  process.exit(0);
}

/** A whole number of an option, at least 1. */
function number(name) {
  const given = Number(values[name]);
  if (!Number.isInteger(given) || given < 1) fail(`--${name} is «${values[name]}» and must be a whole number from 1`);
  return given;
}

function fail(text) {
  console.error(`error: ${text}`);
  process.exit(2);
}

function say(text) {
  console.error(`· ${text}`);
}

const players = number("players");
const WORKLOADS = {
  field: { trial: "field", players, visible: number("visible"), forms: ["view", "raw"] },
  dense: { trial: "field", players, visible: 50, forms: ["view", "raw"] },
  crowd: { trial: "crowd", players: number("crowd"), visible: number("crowd") - 1, forms: ["shared", "rawshared"] },
};
const FORMS = {
  view: "Colyseus, schema and StateView",
  shared: "Colyseus, schema",
  raw: "Colyseus, raw messages",
  rawshared: "Colyseus, one raw message",
};

// ---- running ----

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], ...options });
  children.add(child);
  child.on("close", () => children.delete(child));
  return child;
}

/** Runs to the end; gives what it wrote and how it ended. */
function finish(child) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const late = setTimeout(() => child.kill("SIGKILL"), RUN_TIMEOUT_MS);
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(late);
      resolve({ code, text: Buffer.concat(chunks).toString() });
    });
  });
}

async function runPangea(program, workload) {
  const args = ["trial", workload.trial, "--players", workload.players, "--seconds", values.seconds];
  if (workload.trial === "field") args.push("--visible", workload.visible);
  args.push("--seed", values.seed, "--floor", "--pin", "--json");
  const { code, text } = await finish(start(program, args.map(String)));
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    throw new Error(`«${program} trial ${workload.trial}» ended with ${code} and no figures`);
  }
  return report;
}

/** The same with Colyseus, on the land that Pangea's run had. */
async function runColyseus(node, form, workload, land) {
  const server = start("taskset", ["-c", "0", node, "server.mjs", form, String(land.side_m), String(land.view_m)], {
    cwd: COLYSEUS,
    env: { ...process.env, NODE_ENV: "production" },
  });
  try {
    const first = await new Promise((resolve, reject) => {
      createInterface({ input: server.stdout }).once("line", resolve);
      server.once("error", reject);
      server.once("close", (code) => reject(new Error(`the Colyseus server ended with ${code}`)));
    });
    // With raw messages nobody stays in view a tenth longer, but sees half of that farther.
    const [near, far] = form === "view" ? [1, 1.1] : [1.05, 1.05];
    const plan = {
      form,
      players: workload.players,
      seconds: number("seconds"),
      ports: JSON.parse(first),
      sideM: land.side_m,
      nearM: land.view_m * near,
      farM: land.view_m * far,
    };
    const swarm = start("taskset", ["-c", "1", node, "swarm.mjs", JSON.stringify(plan)], { cwd: COLYSEUS });
    const { code, text } = await finish(swarm);
    if (code !== 0) throw new Error(`the players of Colyseus ended with ${code}`);
    return JSON.parse(text);
  } finally {
    server.removeAllListeners("close");
    const gone = new Promise((resolve) => { server.once("close", resolve); });
    server.kill("SIGKILL");
    await gone;
    children.delete(server);
  }
}

// ---- one workload ----

/** What of each run is shown, whoever's it is. */
function figures(run, wrong, compared) {
  return {
    cpu_us_per_client_tick: run.cpu_us_per_client_tick,
    tick_hz: run.tick_hz,
    visible_mean: run.visible_mean,
    bytes_per_client_s: run.bytes_per_client_s,
    disconnects: run.disconnects,
    compared,
    wrong,
    driver_core_share: run.driver_core_share,
    void: run.driver_core_share > MOST_DRIVER_SHARE,
  };
}

async function play(programs, name, workload) {
  const systems = new Map();
  const add = (system, run) => systems.set(system, [...(systems.get(system) ?? []), run]);
  for (let round = 1; round <= number("repeat"); round++) {
    say(`${name}, ${workload.players} players, round ${round}: the bare server, then Pangea`);
    const pangea = await runPangea(programs.pangea, workload);
    const own = figures(pangea, pangea.shared_different, pangea.shared_compared + pangea.pairs_compared);
    add("bare server", { cpu_us_per_client_tick: pangea.floor_cpu_us_per_client_tick, void: pangea.void });
    add("Pangea", { ...own, broken: pangea.broken });
    for (const form of workload.forms) {
      say(`${name}, round ${round}: ${FORMS[form]}`);
      const run = await runColyseus(programs.node, form, workload, pangea);
      const broken = [...run.first_wrong];
      if (run.disconnects > 0) broken.push(`${run.disconnects} players were dropped`);
      if (run.ticks_not_told > MOST_TICKS_NOT_TOLD) broken.push("not everybody was told of each tick");
      add(FORMS[form], { ...figures(run, run.wrong, run.compared), broken });
    }
  }
  return { name, players: workload.players, systems: summary(systems) };
}

function median(numbers) {
  const sorted = numbers.filter((one) => one !== undefined).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Medians over the runs, and ratios between runs of the same round; void and broken runs are left out. */
function summary(systems) {
  const good = (run) => !run.void && !(run.broken?.length > 0);
  const ratio = (runs, to) => {
    const ratios = runs.flatMap((run, round) => {
      const other = systems.get(to)[round];
      return good(run) && good(other) ? [run.cpu_us_per_client_tick / other.cpu_us_per_client_tick] : [];
    });
    return ratios.length ? median(ratios) : null;
  };
  return [...systems].map(([system, runs]) => {
    const counted = runs.filter(good);
    const of = (key) => (counted[0]?.[key] === undefined ? null : median(counted.map((run) => run[key])));
    return {
      system,
      runs: runs.length,
      void: runs.filter((run) => run.void).length,
      broken: runs.flatMap((run) => run.broken ?? []),
      cpu_us_per_client_tick: of("cpu_us_per_client_tick"),
      ratio_to_pangea: ratio(runs, "Pangea"),
      ratio_to_floor: ratio(runs, "bare server"),
      tick_hz: of("tick_hz"),
      visible_mean: of("visible_mean"),
      bytes_per_client_s: of("bytes_per_client_s"),
      compared: runs.reduce((sum, run) => sum + (run.compared ?? 0), 0),
      wrong: runs.reduce((sum, run) => sum + (run.wrong ?? 0), 0),
      driver_core_share: Math.max(...runs.map((run) => run.driver_core_share ?? 0)) || null,
    };
  });
}

function table({ name, players: count, systems }) {
  const head = ["", "CPU per client-tick", "to Pangea", "to the floor", "ticks/s", "visible", "per client", "compared", "driver"];
  const show = (value, digits, unit = "") => (value === null ? "" : `${value.toFixed(digits)}${unit}`);
  const rows = systems.map((row) => [
    row.system,
    row.cpu_us_per_client_tick === null ? "not counted" : show(row.cpu_us_per_client_tick, 1, " µs"),
    row.ratio_to_pangea === null ? "" : `× ${row.ratio_to_pangea.toFixed(2)}`,
    row.ratio_to_floor === null ? "" : `× ${row.ratio_to_floor.toFixed(2)}`,
    show(row.tick_hz, 1) + (row.tick_hz !== null && row.tick_hz < HELD_HZ ? " (not held)" : ""),
    show(row.visible_mean, 1),
    show(row.bytes_per_client_s, 0, " B/s"),
    row.compared === 0 ? "" : `${row.compared}, ${row.wrong} wrong`,
    row.driver_core_share === null ? "" : show(row.driver_core_share * 100, 0, " %"),
  ]);
  const widths = head.map((title, n) => Math.max(title.length, ...rows.map((row) => row[n].length)));
  const line = (row) => row.map((cell, n) => (n === 0 ? cell.padEnd(widths[n]) : cell.padStart(widths[n]))).join("  ");
  const notes = systems.flatMap((row) => [
    ...(row.void > 0 ? [`void: ${row.system}, ${row.void} of ${row.runs} runs: the driver took over 90 % of its core`] : []),
    ...row.broken.map((what) => `broken: ${row.system}: ${what}`),
  ]);
  return ["", `${name}, ${count} players`, line(head), ...rows.map(line), ...notes].join("\n");
}

// ---- what is needed ----

/** A Node.js that Colyseus runs on: this one, or the one among its packages. */
function prepareNode() {
  const lock = path.join(COLYSEUS, "package-lock.json");
  const installed = path.join(COLYSEUS, "node_modules/.package-lock.json");
  const time = (file) => (fs.existsSync(file) ? fs.statSync(file).mtimeMs : 0);
  if (time(installed) < time(lock)) {
    say("installing Colyseus");
    execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: COLYSEUS, stdio: ["ignore", 2, 2] });
  }
  if (Number(process.versions.node.split(".")[0]) >= NODE_MAJOR) return process.execPath;
  return path.join(COLYSEUS, `node_modules/node-linux-${process.arch}/bin/node`);
}

function preparePangea() {
  if (values.pangea) return path.resolve(values.pangea);
  say("building Pangea, optimised");
  execFileSync("cargo", ["build", "--release", "--workspace", "--bin", "pangea"], { cwd: ROOT, stdio: ["ignore", 2, 2] });
  return path.join(ROOT, "target/release/pangea");
}

/** Versions and machine, so that figures can be compared later. */
function surroundings(programs) {
  const version = (name) =>
    JSON.parse(fs.readFileSync(path.join(COLYSEUS, "node_modules", name, "package.json"), "utf8")).version;
  return {
    cpu: os.cpus()[0]?.model,
    cores: os.cpus().length,
    kernel: os.release(),
    load: os.loadavg()[0],
    node: execFileSync(programs.node, ["--version"]).toString().trim(),
    "@colyseus/core": version("@colyseus/core"),
    "@colyseus/schema": version("@colyseus/schema"),
    "@colyseus/ws-transport": version("@colyseus/ws-transport"),
  };
}

const chosen = values.workloads.split(",");
for (const name of chosen) {
  if (!WORKLOADS[name]) fail(`--workloads knows ${Object.keys(WORKLOADS).join(", ")}, not «${name}»`);
}
if (os.cpus().length < 2) fail("the server and the players need a core each");
const programs = { node: prepareNode(), pangea: preparePangea() };
const machine = surroundings(programs);
say(Object.entries(machine).map(([key, value]) => `${key} ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`).join(", "));
const results = [];
for (const name of chosen) results.push(await play(programs, name, WORKLOADS[name]));
if (values.json) console.log(JSON.stringify({ machine, workloads: results }, null, 2));
else console.log(results.map(table).join("\n"));
process.exit(results.some(({ systems }) => systems.some((row) => row.broken.length > 0)) ? 1 : 0);

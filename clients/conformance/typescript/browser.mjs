// Opens a page in headless Chromium that calls a gateway, and prints what the page reports. A second origin serves the same
// page, and the gateway refuses it: its operator has allowed the first one only.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

const GATEWAY = process.env.GATEWAY ?? "target/debug/stockroom";
const MAX_MS = 60_000;
const CHECKS = 6;

const folder = mkdtempSync(join(tmpdir(), "stockroom-browser-"));
const processes = [];

/** Serves the page; `report` is what it sends. */
async function serve(script) {
  let reported;
  const report = new Promise((resolve) => (reported = resolve));
  const server = createServer(async (request, response) => {
    if (request.method === "POST") {
      const pieces = await request.toArray();
      response.end();
      return reported(Buffer.concat(pieces).toString());
    }
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? script : '<!doctype html><body><script type="module" src="page.js"></script>');
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return { origin: `http://127.0.0.1:${server.address().port}`, report };
}

async function startGateway(origin) {
  const env = { PATH: process.env.PATH, STOCKROOM_WEB__ALLOWED_ORIGINS: origin };
  const options = { env, stdio: ["ignore", "pipe", "ignore"], detached: true };
  const gateway = spawn(GATEWAY, ["serve", "--sandbox", "--listen", "127.0.0.1:0"], options);
  processes.push(gateway);
  for await (const line of createInterface(gateway.stdout)) {
    const address = line.match(/listening on (\S+:\d+)/)?.[1];
    if (address) return address;
  }
  throw new Error("the gateway ended");
}

function open(url, profile) {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${join(folder, profile)}`];
  const chromium = spawn("chromium", [...flags, url], { stdio: "ignore", detached: true });
  chromium.on("error", (error) => console.log(`FAILED chromium: ${error}`));
  processes.push(chromium);
}

const late = globalThis.setTimeout(() => {
  console.log(`FAILED browser: no report within ${MAX_MS / 1000} s`);
  end(1);
}, MAX_MS);

/** Ends the processes, each with its children, and removes what they wrote. */
async function end(code) {
  clearTimeout(late);
  for (const { pid } of processes) if (pid) process.kill(-pid, "SIGKILL");
  // A child of Chromium's may write a last file after its end was ordered.
  for (let attempt = 1; ; attempt++) {
    try {
      rmSync(folder, { recursive: true, force: true });
      break;
    } catch (error) {
      if (attempt === 50) throw error;
      await setTimeout(100);
    }
  }
  process.exit(code);
}

const bundle = join(folder, "page.js");
execFileSync("esbuild", [join(import.meta.dirname, "page.mjs"), "--bundle", "--format=esm", "--log-level=warning", `--outfile=${bundle}`]);
const script = readFileSync(bundle);
const [allowed, other] = [await serve(script), await serve(script)];
const gateway = await startGateway(allowed.origin);
open(`${allowed.origin}/?gateway=${gateway}`, "allowed");
open(`${other.origin}/?gateway=${gateway}`, "other");

const report = await allowed.report;
console.log(report);
const refused = (await other.report).split("\n").filter((line) => line.startsWith("FAILED")).length;
console.log(`${refused === CHECKS ? "ok" : "FAILED"} a page of another origin: ${refused} of ${CHECKS} calls refused`);
await end(report.match(/^ok /gm)?.length === CHECKS && refused === CHECKS ? 0 : 1);

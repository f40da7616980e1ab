import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const WEB = new URL("..", import.meta.url).pathname;
const TSC = join(WEB, "node_modules", "typescript", "bin", "tsc");
/** Not made from the library, but from docs/openapi.json. */
const HTTP_TYPES = "openapi.d.ts";

test("the shipped types are those of the library", () => {
  const fresh = mkdtempSync(join(tmpdir(), "pangea-types-"));
  try {
    execFileSync(process.execPath, [TSC, "--project", join(WEB, "tsconfig.types.json"), "--outDir", fresh]);
    const list = (/** @type {string} */ folder) => readdirSync(folder).filter((name) => name.endsWith(".d.ts")).sort();
    assert.deepEqual(list(join(WEB, "types")), [...list(fresh), HTTP_TYPES].sort(), "run: npm run types");
    for (const name of list(fresh)) {
      const [shipped, made] = [join(WEB, "types", name), join(fresh, name)].map((path) => readFileSync(path, "utf8"));
      assert.equal(shipped, made, `${name} is old, run: npm run types`);
    }
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

test("the HTTP types are those of docs/openapi.json", () => {
  const fresh = mkdtempSync(join(tmpdir(), "pangea-api-"));
  try {
    const program = join(WEB, "node_modules", "openapi-typescript", "bin", "cli.js");
    const made = join(fresh, HTTP_TYPES);
    execFileSync(process.execPath, [program, join(WEB, "..", "docs", "openapi.json"), "--output", made], { stdio: "pipe" });
    assert.equal(readFileSync(join(WEB, "types", HTTP_TYPES), "utf8"), readFileSync(made, "utf8"), "run: npm run api");
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

test("a TypeScript program compiles against the packed files alone", () => {
  const fresh = mkdtempSync(join(tmpdir(), "pangea-consumer-"));
  try {
    const installed = join(fresh, "node_modules", "pangea-web");
    mkdirSync(installed, { recursive: true });
    const [packed] = JSON.parse(execFileSync("npm", ["pack", "--json", "--pack-destination", fresh], { cwd: WEB, stdio: "pipe" }).toString());
    execFileSync("tar", ["-xzf", join(fresh, packed.filename), "-C", installed, "--strip-components=1"]);
    writeFileSync(join(fresh, "package.json"), '{ "type": "module" }');
    writeFileSync(join(fresh, "game.ts"), `
      import { Api, World, Refusal } from "pangea-web";
      import type { Wish } from "pangea-web/http_types";
      const world = new World(new Api("http://localhost:8080"));
      const wish: Wish = { world: "wilds", layer: 1, rule: "pve", friend: "Ada" };
      world.on("end", (refusal: Refusal) => console.log(refusal.code));
      world.entities.onAdd(({ name, x }) => console.log(name.toUpperCase(), x.toFixed(1)));
      export const entering: Promise<void> = world.enter(wish);
      // @ts-expect-error a layer is a number: types that say nothing would let this pass
      export const wrong: Wish = { layer: "one" };
    `);
    const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2023,dom,dom.iterable"];
    execFileSync(process.execPath, [TSC, ...options, "game.ts"], { cwd: fresh, stdio: "pipe" });
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

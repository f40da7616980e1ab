import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const WEB = new URL("..", import.meta.url).pathname;

test("the shipped types are those of the library", () => {
  const fresh = mkdtempSync(join(tmpdir(), "pangea-types-"));
  try {
    const tsc = join(WEB, "node_modules", "typescript", "bin", "tsc");
    execFileSync(process.execPath, [tsc, "--project", join(WEB, "tsconfig.types.json"), "--outDir", fresh]);
    copyFileSync(join(WEB, "lib", "openapi.d.ts"), join(fresh, "openapi.d.ts"));
    const list = (/** @type {string} */ folder) => readdirSync(folder).filter((name) => name.endsWith(".d.ts")).sort();
    assert.deepEqual(list(join(WEB, "types")), list(fresh), "run: npm run types");
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
    const made = join(fresh, "openapi.d.ts");
    execFileSync(process.execPath, [program, join(WEB, "..", "docs", "openapi.json"), "--output", made], { stdio: "pipe" });
    assert.equal(readFileSync(join(WEB, "lib", "openapi.d.ts"), "utf8"), readFileSync(made, "utf8"), "run: npm run api && npm run types");
  } finally {
    rmSync(fresh, { recursive: true });
  }
});

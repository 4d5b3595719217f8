/** Mounting bpffs where there is none, in a mount namespace of this test's own, so that the machine's /sys/fs/bpf is never touched. */
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { counting, maps, object, unchecked } from "../../test/fixtures/objects.ts";
import { isRoot, uniqueName } from "../../test/own-network.ts";
import { cString } from "../sys/c-string.ts";
import { syscall } from "../sys/ffi.ts";
import { BPFFS_PATH, onBpffs, unmount } from "../sys/mount.ts";
import { loadSpec } from "./load.ts";

const CLONE_NEWNS = 0x20000;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;

describe.skipIf(!isRoot)(`without a bpffs${isRoot ? "" : " (skipped: needs root on Linux)"}`, () => {
  beforeAll(() => {
    // Of this thread only: synchronous file functions run on it. Vitest gives every test file a process.
    syscall("unshare", CLONE_NEWNS);
    syscall("mount", cString("none"), cString("/"), null, MS_REC | MS_PRIVATE, null);
    while (onBpffs(BPFFS_PATH)) unmount(BPFFS_PATH);
  });

  it("a load that fails leaves none", () => {
    const name = uniqueName();
    const spec = object([unchecked(`p_${name}`, `st_${name}`)], [maps.stats(name)]);
    expect(() => loadSpec(spec, { pinPath: `${BPFFS_PATH}/${name}` })).toThrow("verifier rejected");
    expect(onBpffs(BPFFS_PATH)).toBe(false);
  });

  it("a load that does not pin mounts none", () => {
    const name = uniqueName();
    using loaded = loadSpec(object([counting(`p_${name}`, `st_${name}`)], [maps.stats(name)]));
    expect(loaded.mountedBpffs).toBeNull();
    expect(onBpffs(BPFFS_PATH)).toBe(false);
  });

  it("a load that pins mounts one, and says so", () => {
    const name = uniqueName();
    const spec = object([counting(`p_${name}`, `st_${name}`)], [maps.stats(name)]);
    using loaded = loadSpec(spec, { pinPath: `${BPFFS_PATH}/${name}` });
    expect(loaded.mountedBpffs).toBe(BPFFS_PATH);
    expect(existsSync(`${BPFFS_PATH}/${name}/st_${name}`)).toBe(true);
    using again = loadSpec(spec, { pinPath: `${BPFFS_PATH}/${name}` });
    expect(again.mountedBpffs).toBeNull();
    unmount(BPFFS_PATH);
  });
});

/** `./xdp_stats -d DEV`: the counters of the device's program, again and again until Ctrl-C; `wirescript stats` under the tutorial's name. */
import { WirescriptError } from "../../../errors.ts";
import { STATS_MAP } from "../../counters.ts";
import { pinDirectoryOf } from "../../pins.ts";
import { stats } from "../stats.ts";
import type { ToolCall } from "./run.ts";
import { STATUS, ToolFailure } from "./tool-failure.ts";
import { DEV, HELP, QUIET, tutorialOptions } from "./tutorial-options.ts";

const DOCUMENTATION = ["XDP stats program", ` - Finding ${STATS_MAP} via --dev name info`];

export async function xdpStats(call: ToolCall): Promise<number> {
  const parsed = await tutorialOptions(call, DOCUMENTATION, [DEV, HELP, QUIET], "read maps");
  if (parsed === null) return STATUS.OK;
  const { name } = parsed.device;
  try {
    await stats(name, { interval: 2, quiet: parsed.values.has("quiet") });
  } catch (error) {
    if (!(error instanceof WirescriptError)) throw error;
    const { code, why } = error;
    // As the tutorial's ends with Ctrl-C: without a word.
    if (code === "INTERRUPTED") return 128 + 2;
    if (code === "NOTHING_ATTACHED") {
      const path = `${pinDirectoryOf(name)}/${STATS_MAP}`;
      const what = `WARN: Failed to open bpf map file:${path} err(2):No such file or directory`;
      const fix = `Load a program that counts, which pins its map there: ./xdp_loader -d ${name} --progsec SECTION`;
      throw new ToolFailure({ status: STATUS.BPF, what, why, fix, cause: error });
    }
    if (code !== "MAP") throw error;
    throw new ToolFailure({
      status: STATUS.FAIL,
      what: "ERR: map via FD not compatible",
      why: `${error.message} ${why}`,
      fix: error.fix,
    });
  }
  return STATUS.OK;
}

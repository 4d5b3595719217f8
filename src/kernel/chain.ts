/** Programs made of programs. */
import type { XdpAction } from "./actions.ts";
import type { Program, ProgramOptions } from "./program.ts";
import type { TcAction } from "./tc-actions.ts";

export interface ChainOptions<Action, Name extends string = string> extends ProgramOptions<Name> {
  /** Whether the next program runs after a program that answered `action`. */
  goOn?: (action: Action) => boolean;
  /** As for `xdp`, of the chain as a whole. */
  frags?: Action extends XdpAction ? boolean : never;
}

type Parts<Type extends string> = readonly [Program<Type>, ...Program<Type>[]];
type PartsAndOptions<Type extends string, Action, Name extends string> = readonly [
  ...Parts<Type>,
  options: ChainOptions<Action, Name>,
];

/**
 * One program that runs several, one after the other, each on the packet as the one before left it. It ends with the first verdict that is
 * not XDP_PASS (on TC: not TC_ACT_OK, TC_ACT_UNSPEC or TC_ACT_PIPE), unless `goOn` says otherwise, and with the last program's in any
 * case. They are compiled into one: a chain costs no call. The programs may come from other modules.
 */
export function chain(...programs: Parts<"xdp">): Program<"xdp">;
export function chain<const Name extends string>(...programs: PartsAndOptions<"xdp", XdpAction, Name>): Program<"xdp", Name>;
export function chain(...programs: Parts<"tc.ingress">): Program<"tc.ingress">;
export function chain<const Name extends string>(
  ...programs: PartsAndOptions<"tc.ingress", TcAction, Name>
): Program<"tc.ingress", Name>;
export function chain(...programs: Parts<"tc.egress">): Program<"tc.egress">;
export function chain<const Name extends string>(
  ...programs: PartsAndOptions<"tc.egress", TcAction, Name>
): Program<"tc.egress", Name>;
export function chain(...programs: readonly (Program | ChainOptions<never>)[]): Program {
  const [first] = programs as [Program];
  const last = programs.at(-1);
  const options = last === undefined || "kind" in last ? {} : { section: last.section, name: last.name };
  return { kind: "program", type: first.type, options: options as ProgramOptions };
}

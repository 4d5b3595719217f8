/** Where TypeScript sees that a path ends. */
import type { Statement } from "./tree.ts";

/** Whether nothing behind these statements is ever reached, as TypeScript sees it. */
export function leaves(statements: readonly Statement[]): boolean {
  const last = statements.at(-1);
  switch (last?.s) {
    case "return":
    case "return-view":
    case "verdict":
    case "break":
    case "continue":
      return true;
    case "if":
    case "if-view":
    case "inner":
      return leaves(last.then) && leaves(last.otherwise);
    case "reserve":
      return leaves(last.body) && leaves(last.otherwise);
    case "switch": {
      const bodies = last.clauses.map(({ body }) => body);
      const exhaustive = last.clauses.some(({ label }) => label === null);
      return exhaustive && leaves(bodies.at(-1) ?? []) && !bodies.some(breaks);
    }
    default:
      return false;
  }
}

/** Whether a `break` in these statements leaves what is around them. */
function breaks(statements: readonly Statement[]): boolean {
  return statements.some((statement) => {
    if (statement.s === "break") return true;
    if (statement.s === "if" || statement.s === "if-view" || statement.s === "inner")
      return breaks(statement.then) || breaks(statement.otherwise);
    if (statement.s === "reserve") return breaks(statement.body) || breaks(statement.otherwise);
    if (statement.s === "let-view") return breaks(statement.then);
    return false;
  });
}

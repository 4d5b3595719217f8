/**
 * What is already known to be wrong before anything is lowered: constructs outside the subset, and what TypeScript's checker found. The
 * nodes at fault are left out silently, so that the rest of the module can be looked at in the same run.
 */
import ts from "./typescript.ts";

export class Faults {
  readonly #nodes = new Set<ts.Node>();
  /** Statements of modules in which the types are wrong: nothing that is found there besides is to be trusted. */
  readonly #mistyped: { file: ts.SourceFile; start: number; end: number }[] = [];

  /** `node` has been reported. */
  add(node: ts.Node): void {
    this.#nodes.add(node);
  }

  /** TypeScript has reported these `length` characters. */
  addMistyped(file: ts.SourceFile, start: number, length: number): void {
    let node: ts.Node = file;
    for (let next: ts.Node | undefined = file; next !== undefined; ) {
      node = next;
      if (ts.isStatement(node) && ts.isSourceFile(node.parent)) {
        this.#mistyped.push({ file, start: node.getStart(file), end: node.getEnd() });
      }
      next = childAround(node, file, start, start + length);
    }
    while (!isUnit(node) && !ts.isSourceFile(node)) node = node.parent;
    this.#nodes.add(node);
  }

  get any(): boolean {
    return this.#nodes.size > 0;
  }

  has(node: ts.Node): boolean {
    return this.#nodes.has(node);
  }

  /** Whether a message about `node` may only follow from wrong types around it. */
  isDoubtful(node: ts.Node): boolean {
    const file = node.getSourceFile();
    const start = node.getStart(file);
    return this.#mistyped.some((range) => range.file === file && range.start <= start && start < range.end);
  }
}

function childAround(node: ts.Node, file: ts.SourceFile, start: number, end: number): ts.Node | undefined {
  return ts.forEachChild(node, (child) => (child.getStart(file) <= start && end <= child.getEnd() ? child : undefined));
}

/** What can be left out as a whole. */
function isUnit(node: ts.Node): boolean {
  if (ts.isIdentifier(node) && ts.isVariableDeclaration(node.parent) && node.parent.name === node) return false;
  return (
    ts.isExpression(node) ||
    ts.isStatement(node) ||
    ts.isVariableDeclaration(node) ||
    ts.isBindingElement(node) ||
    ts.isParameter(node) ||
    ts.isFunctionLike(node)
  );
}

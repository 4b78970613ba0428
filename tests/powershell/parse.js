// What a PowerShell script is made of, as JSON on standard output, by tree-sitter's grammar.
//
//   node --liftoff-only parse.js FILE
//
// (V8's other compiler takes minutes for the grammar, and the process does not end before.)
//
// { wrong: [ { line, column, text } ], strings: { VARIABLE: LITERAL }, commands: [ { line, name, parameters, arguments } ] }: what the grammar
// does not know; string literals in single quotes that are all of an assignment, as written; the commands that are called.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { Language, Parser } from 'web-tree-sitter';

const require = createRequire(import.meta.url);
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(require.resolve('tree-sitter-powershell/tree-sitter-powershell.wasm')));

const text = fs.readFileSync(process.argv[2], 'utf8').replace(/^\ufeff/, '');
const found = { wrong: [], strings: {}, commands: [] };

function visit(node) {
  const line = node.startPosition.row + 1;
  if (node.isError || node.isMissing) {
    found.wrong.push({ line, column: node.startPosition.column + 1, text: node.text.slice(0, 80) });
  } else if (node.type === 'command') {
    const name = node.childForFieldName('command_name');
    const elements = node.childForFieldName('command_elements')?.namedChildren ?? [];
    found.commands.push({
      line, name: name ? name.text : '',
      parameters: elements.filter((e) => e.type === 'command_parameter').map((e) => e.text.replace(/:$/, '')),
      arguments: elements.filter((e) => e.type !== 'command_parameter' && e.type !== 'command_argument_sep').map((e) => e.text),
    });
  } else if (node.type === 'assignment_expression') {
    const [left, right] = [node.namedChildren[0], node.namedChildren[node.namedChildren.length - 1]];
    let at = right;
    while (at.namedChildren.length === 1) [at] = at.namedChildren;
    if (at.type === 'verbatim_string_characters' && at.text === right.text) found.strings[left.text] = at.text;
  }
  for (const child of node.children) visit(child);
}

visit(parser.parse(text).rootNode);
process.stdout.write(JSON.stringify(found));

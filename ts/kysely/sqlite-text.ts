/**
 * Reads what SQLite tells only in the text of a statement that it has already accepted: collations and table options in
 * CREATE TABLE, timing and event in CREATE TRIGGER. The tokens are SQLite's own, so comments and quoted names cannot lead
 * it astray.
 */

interface Token {
  /** a bare word; quoted names and strings are never keywords */
  readonly bare: boolean
  /** without its quotes */
  readonly text: string
  readonly symbol: boolean
}

/** What a CREATE TABLE text tells. */
export interface CreateTable {
  /** explicit collation by {@link foldName folded} column name; null for a column without */
  readonly collations: ReadonlyMap<string, string | null>
  readonly withoutRowid: boolean
  readonly strict: boolean
}

/** What a CREATE TRIGGER text tells. */
export interface CreateTrigger {
  readonly timing: 'before' | 'after' | 'instead'
  readonly event: 'insert' | 'update' | 'delete'
}

/** SQLite's names ignore the case of ASCII letters, and of these alone. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

const TOKEN =
  /[ \t\n\f\r]+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*"|`[^`]*(?:``[^`]*)*`|\[[^\]]*\]|[\w$\u0080-\uffff]+|[^]/gy

function* tokens(text: string): Generator<Token> {
  for (const [piece] of text.matchAll(TOKEN)) {
    const first = piece.charAt(0)
    if (/[ \t\n\f\r]/.test(first) || piece.startsWith('--') || piece.startsWith('/*')) continue
    if (/[\w$\u0080-\uffff]/.test(first)) yield { bare: true, text: piece, symbol: false }
    else if (piece.length === 1) yield { bare: false, text: piece, symbol: true }
    else if (first === '[') yield { bare: false, text: piece.slice(1, -1), symbol: false }
    else yield { bare: false, text: piece.slice(1, -1).replaceAll(first + first, first), symbol: false }
  }
}

function isWord(token: Token | undefined, word: string): boolean {
  return token !== undefined && token.bare && token.text.toUpperCase() === word
}

function isSymbol(token: Token | undefined, symbol: string): boolean {
  return token !== undefined && token.symbol && token.text === symbol
}

/** Reserved, so a column of this name is always quoted. */
const CONSTRAINTS = ['CONSTRAINT', 'PRIMARY', 'UNIQUE', 'CHECK', 'FOREIGN']

/** Reads the text that `sqlite_schema` keeps of a table; undefined when it is none. */
export function readCreateTable(text: string): CreateTable | undefined {
  const all = [...tokens(text)]
  const collations = new Map<string, string | null>()
  let at = all.findIndex((token) => isSymbol(token, '('))
  if (at < 0) return undefined
  let depth = 1
  let column: string | undefined
  let definitionStarts = true
  let constraints = false
  for (at += 1; at < all.length && depth > 0; at += 1) {
    const token = all[at] as Token
    if (isSymbol(token, '(')) depth += 1
    else if (isSymbol(token, ')')) depth -= 1
    else if (depth === 1 && isSymbol(token, ',')) definitionStarts = true
    else if (definitionStarts && depth === 1) {
      definitionStarts = false
      // Whatever follows the first table constraint is one, too, even without a comma between them.
      constraints ||= CONSTRAINTS.some((word) => isWord(token, word))
      column = constraints ? undefined : foldName(token.text)
      if (column !== undefined) collations.set(column, null)
    } else if (depth === 1 && column !== undefined && isWord(token, 'COLLATE')) {
      // NOTE: of several COLLATE clauses the last one counts; one inside DEFAULT, CHECK or AS stands in parentheses.
      collations.set(column, all[at + 1]?.text ?? '')
    }
  }
  if (depth > 0) return undefined
  const options = all.slice(at)
  return {
    collations,
    withoutRowid: options.some((token) => isWord(token, 'WITHOUT')),
    strict: options.some((token) => isWord(token, 'STRICT')),
  }
}

/** Whether a text has the keyword COLLATE outside of names, strings and comments. */
export function mentionsCollate(text: string): boolean {
  for (const token of tokens(text)) if (isWord(token, 'COLLATE')) return true
  return false
}

/** Reads the text that `sqlite_schema` keeps of a trigger; undefined when it is none. */
export function readCreateTrigger(text: string): CreateTrigger | undefined {
  const head: Token[] = []
  for (const token of tokens(text)) {
    head.push(token)
    if (head.length === 16) break
  }
  let at = head.findIndex((token) => isWord(token, 'TRIGGER'))
  if (at < 0) return undefined
  at += 1
  // A trigger may be called `if`, `before` or `delete`, so the name is skipped by its place.
  if (isWord(head[at], 'IF') && isWord(head[at + 1], 'NOT') && isWord(head[at + 2], 'EXISTS')) at += 3
  at += isSymbol(head[at + 1], '.') ? 3 : 1
  let timing: CreateTrigger['timing'] = 'before'
  if (isWord(head[at], 'BEFORE')) at += 1
  else if (isWord(head[at], 'AFTER')) {
    timing = 'after'
    at += 1
  } else if (isWord(head[at], 'INSTEAD')) {
    timing = 'instead'
    at += 2
  }
  if (isWord(head[at], 'INSERT')) return { timing, event: 'insert' }
  if (isWord(head[at], 'UPDATE')) return { timing, event: 'update' }
  if (isWord(head[at], 'DELETE')) return { timing, event: 'delete' }
  return undefined
}

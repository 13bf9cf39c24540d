import type { AnswerName, DroppedFact, ExplainedFacts, Facts, LoadedFacts, ReadFacts, WriteFacts } from './facts.ts'
import { kinds } from './reads.ts'

const WIDTH = 100

export function opening(loaded: LoadedFacts): string {
  const { source, tables } = loaded
  return lines(
    title('cacheops: a cache for database queries that knows what to forget'),
    '',
    ...wrap(
      'A cache keeps the answers of queries in memory, so that the same question need not go to the ' +
        'database again. The hard part is forgetting: after a change in the database every answer that ' +
        'it made wrong must go, at once, and the others should stay. This demo is the departures hall of ' +
        'some airports. It asks its usual questions, lets things happen, and compares every remembered ' +
        "answer with the database's.",
    ),
    '',
    heading('1. What is loaded'),
    ...source.files.flatMap(({ file, title, origin, licence }) => [
      `${file}: ${title}`,
      ...wrap(`from ${origin}; licence: ${licence}`, '  '),
    ]),
    `Both come with the npm package ${source.package} ${source.version} (itself ${source.packageLicence}).`,
    ...wrap(
      `Loaded into ${loaded.database}, a database inside this process, in ${seconds(loaded.duration)}: ` +
        `${tables.map(({ table, rows }) => `table ${table} with ${whole(rows)} rows`).join(', ')}. ` +
        'Each flight refers to two airports, each airport to its city.',
    ),
    '',
  )
}

export function reads(facts: ReadFacts): string {
  return lines(
    heading('2. The usual questions'),
    ...wrap(
      `${facts.answers} questions of ${facts.kinds.length} kinds. “database”: without the cache. “first”: through the cache, which ` +
        'does not know the answer yet (a miss), asks the database and remembers. “again”: through the ' +
        'cache, which knows (a hit). Times are medians in milliseconds.',
    ),
    '',
    ...table(
      ['called', 'question', '>asked', '>rows', '>database', '>first', '>again', '>faster'],
      facts.kinds.map((kind) => [
        kind.kind,
        kind.meaning,
        whole(kind.answers),
        whole(kind.rows),
        milliseconds(kind.database),
        milliseconds(kind.miss),
        milliseconds(kind.hit),
        `${whole(kind.ratio)}x`,
      ]),
    ),
    '',
    `${whole(facts.misses)} misses, then ${whole(facts.hits)} hits; during the hits the database was sent ${whole(facts.statementsDuringHits)} statements.`,
    '',
  )
}

export function writesIntroduction(answers: number): string {
  return lines(
    heading('3. Things happen'),
    ...wrap(
      `Before each change all ${answers} answers are in the cache. “a table-level cache” is one that knows only ` +
        'which tables a query reads, and drops every answer that reads a changed table. After each change ' +
        "every question is asked again through the cache and compared with the database's answer.",
    ),
    '',
  )
}

export function write(number: number, facts: WriteFacts): string {
  const { check, dropped, kept } = facts
  const different = check.different.length
  return lines(
    `${number}) ${facts.title}: ${count(facts.rows, 'row')}, ${milliseconds(facts.duration)} ms`,
    ...field('', facts.sql),
    ...field(
      'dropped',
      `${dropped.length} of ${facts.cached} (a table-level cache: ${facts.tableLevel})` +
        (dropped.length === 0 ? '' : `; ${facts.changed} of them had really become wrong`),
    ),
    ...reasonLines(facts),
    ...field('stayed', `${kept.length} of ${facts.cached}${listed(kept)}`),
    ...facts.warnings.flatMap((warning) => field('warning', warning)),
    ...field(
      'check',
      different === 0
        ? `all ${check.compared} cached answers equal the database's (${check.hits} remembered, ${check.misses} asked anew)`
        : `WRONG: ${different} of ${check.compared} cached answers differ from the database${listed(check.different)}`,
    ),
    '',
  )
}

function reasonLines(facts: WriteFacts): string[] {
  if (facts.dropped.length === 0) return []
  const explained = facts.reasons.filter((reason) => reason.answers.length > 0 || reason.level !== 'condition')
  const texts = [...groupBy(explained, shapeOf).values()].map(why)
  const known = new Set(explained.flatMap((reason) => reason.answers.map(nameOf)))
  const others = facts.dropped.filter((answer) => !known.has(nameOf(answer)))
  if (others.length > 0) {
    const all = explained.every((reason) => reason.level === 'condition')
    texts.push(`${all ? `likewise (the cache tells the first ${facts.listed} reasons)` : 'these are'}${listed(others)}`)
  }
  return texts.flatMap((text, index) => field(index === 0 ? 'because' : '', text))
}

const verbs: Readonly<Record<string, string>> = { insert: 'added', update: 'changed', delete: 'deleted' }

/** One sentence for reports that differ only in values. */
function why(group: readonly DroppedFact[]): string {
  const [first] = group
  if (first === undefined) return ''
  const { table, level, what, reason } = first
  const verb = verbs[reason] ?? `touched (${reason})`
  const answers = listed(distinct(group.flatMap((each) => each.answers)))
  switch (level) {
    case 'condition': {
      const others = group.length - 1
      return others === 0
        ? `${a(table)} with ${what} was ${verb}${answers}`
        : `${a(table)} with ${what} was ${verb}, and ${others} more like it${answers}`
    }
    case 'scheme':
      return what === 'any row'
        ? `${a(table)} was ${verb}, and any ${table} may be in these${answers}`
        : `${a(table)} was ${verb}, and which ${what.replace(/^any /, '')} it has is not known${answers}`
    default:
      return `${what} was ${verb}${answers}`
  }
}

/** The demo's tables are named after what one row of them is. */
function a(table: string): string {
  return `${/^[aeiou]/.test(table) ? 'an' : 'a'} ${table}`
}

/** The same for conditions on the same columns. */
function shapeOf({ table, level, what, reason }: DroppedFact): string {
  return JSON.stringify([table, level, reason, what.replaceAll(/'(?:[^']|'')*'|\b\d+\b/g, '?')])
}

export function explained(facts: ExplainedFacts): string {
  const { cacheable, reason, cached, op, key } = facts
  const meaning = op === null ? undefined : opMeanings[op]
  const notes = [...facts.cautions.map((caution) => caution.detail), ...facts.remarks]
  return lines(
    heading('4. What the cache knows about one question'),
    `The ${kinds[facts.kind]} (${facts.of}), asked in SQL:`,
    '',
    ...wrap(facts.sql, '  '),
    '',
    ...wrap(
      cacheable
        ? `Its answer may be remembered, and ${cached ? 'is remembered at this moment' : 'is not remembered at this moment'}.`
        : `Its answer is never remembered: ${reason ?? 'no reason given'}.`,
    ),
    ...wrap(`It is a “${op ?? 'statement'}”${meaning === undefined ? '' : `: ${meaning}`}.`),
    ...(key === null ? [] : wrap(`It is kept under ${key}, a fingerprint of its text and values.`)),
    '',
    'It will be forgotten as soon as',
    ...facts.dependencies.flatMap(({ table, columns, conditions }) => [
      `  - ${rowsOf(table, conditions)}`,
      ...wrap(
        columns === 'all' ? 'is added, deleted or changed' : `is added, deleted or changed in ${columns.join(', ')}`,
        '    ',
      ),
    ]),
    ...(notes.length === 0 ? [] : ['', ...notes.flatMap((note) => wrap(`Note: ${note}`))]),
    '',
  )
}

function rowsOf(table: string, conditions: readonly string[]): string {
  return conditions.every((condition) => condition === 'any row')
    ? `any ${table}`
    : `${a(table)} with ${conditions.join(', or with ')}`
}

const opMeanings: Readonly<Record<string, string>> = {
  get: 'a read of at most one row',
  fetch: 'a read of any number of rows',
  count: 'a read that only counts rows',
  aggregate: 'a read that sums rows up',
  exists: 'a read that asks whether there is any row',
}

export function summary(facts: Facts): string {
  const { summary, writePrice, writes } = facts
  return lines(
    heading('5. In short'),
    ...wrap(
      '“dropped”: answers forgotten by this cache; “wrong”: those among them that the change had really ' +
        'made wrong, the fewest that any cache could drop; “stayed”: answers still served from memory; ' +
        '“table-level”: answers that a table-level cache would have dropped.',
    ),
    '',
    ...table(
      ['change', '>rows', '>dropped', '>wrong', '>stayed', '>table-level'],
      [
        ...writes.map((each) => [
          each.title,
          whole(each.rows),
          whole(each.dropped.length),
          whole(each.changed),
          whole(each.kept.length),
          whole(each.tableLevel),
        ]),
        [
          'together',
          '',
          whole(summary.dropped),
          whole(summary.changed),
          whole(summary.kept),
          whole(summary.tableLevelDropped),
        ],
      ],
    ),
    '',
    ...table(
      ['', ''],
      [
        ['answers from the cache (hits)', whole(summary.hits)],
        ['answers from the database (misses)', whole(summary.misses)],
        ['an answer from the database, median', `${milliseconds(summary.database)} ms`],
        ['an answer from the cache, median', `${milliseconds(summary.hit)} ms, ${whole(summary.ratio)} times faster`],
        ['update of one row without the cache', `${milliseconds(writePrice.plain)} ms`],
        [
          'the same update with it',
          `${milliseconds(writePrice.cached)} ms, ${writePrice.ratio.toFixed(2)} times as long`,
        ],
        ['the whole demo', seconds(summary.duration)],
      ],
    ).slice(1),
    '',
    ...summary.faults.map((fault) => `The cache reported a failure of its own: ${fault}`),
    summary.different === 0
      ? `All ${whole(summary.compared)} comparisons with the database found the cached answer equal.`
      : `WRONG: ${whole(summary.different)} of ${whole(summary.compared)} cached answers differed from the database's.`,
  )
}

// Text

function lines(...parts: string[]): string {
  return parts.join('\n')
}

function title(text: string): string {
  return `${text}\n${'='.repeat(text.length)}`
}

function heading(text: string): string {
  return `${text}\n${'-'.repeat(text.length)}`
}

/** A labelled paragraph whose lines stay right of the label. */
function field(label: string, text: string): string[] {
  const [first = '', ...rest] = wrap(text, ' '.repeat(13))
  return [`   ${pad(label, 7)} ${first.trimStart()}`, ...rest]
}

function wrap(text: string, indent = ''): string[] {
  const wrapped: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      wrapped.push(indent + line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...wrapped, indent + line]
}

/** Columns as wide as their widest cell; a heading that starts with `>` aligns its column right. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const names = header.map((name) => name.replace(/^>/, ''))
  const widths = names.map((name, column) => Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ''
        return header[column]?.startsWith('>') === true ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(names), ...rows.map(line)].map((each) => `  ${each}`)
}

/** `: 15 board, late DFW on 2001-01-03`; one or two of a kind are named, more are counted. */
function listed(answers: readonly AnswerName[]): string {
  const parts = [...groupBy(answers, (answer) => answer.kind)].map(([kind, same]) =>
    same.length <= 2 ? `${kind} ${same.map(({ of }) => of).join(' and ')}` : `${same.length} ${kind}`,
  )
  return parts.length === 0 ? '' : `: ${parts.join(', ')}`
}

function nameOf({ kind, of }: AnswerName): string {
  return `${kind} ${of}`
}

function distinct(answers: readonly AnswerName[]): AnswerName[] {
  return [...new Map(answers.map((answer) => [nameOf(answer), answer])).values()]
}

function groupBy<Item, Key>(items: readonly Item[], keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

function pad(text: string, width: number): string {
  return text.padEnd(width)
}

function count(many: number, noun: string): string {
  return `${whole(many)} ${noun}${many === 1 ? '' : 's'}`
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

function milliseconds(value: number): string {
  return value.toFixed(value < 0.1 ? 3 : 2)
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`
}

import type { Schema } from './tables.ts'

/** How often a run met a feature: in how many schemas, pool queries and statements of writers, and how many of those succeeded. */
export class Coverage {
  readonly #counts = new Map<string, { schemas: number; reads: number; written: number; failed: number }>()
  #epochs = 0

  epoch({ schema, options }: { readonly schema: Schema; readonly options: object }, reads: readonly string[]): void {
    this.#epochs++
    const chosen = Object.entries(options)
      .filter(
        ([, value]) =>
          (value !== false && value !== 'no' && Object.keys(value as object).length !== 0) || value === true,
      )
      .map(([name, value]) => `option ${name}${typeof value === 'string' ? ` ${value}` : ''}`)
    for (const name of chosen) this.#of(name).schemas++
    const ddl = schema.ddl.join(';\n')
    for (const [name, pattern] of FEATURES) if (pattern.test(ddl)) this.#of(name).schemas++
    if (hasChain(schema)) this.#of('chain of three tables').schemas++
    for (const text of reads) for (const [name, pattern] of FEATURES) if (pattern.test(text)) this.#of(name).reads++
  }

  statement(text: string, failed: boolean): void {
    for (const [name, pattern] of FEATURES) {
      if (!pattern.test(text)) continue
      const count = this.#of(name)
      if (failed) count.failed++
      else count.written++
    }
  }

  #of(name: string): { schemas: number; reads: number; written: number; failed: number } {
    let count = this.#counts.get(name)
    if (count === undefined) this.#counts.set(name, (count = { schemas: 0, reads: 0, written: 0, failed: 0 }))
    return count
  }

  table(): string {
    for (const [name] of FEATURES) this.#of(name)
    const rows = [...this.#counts].map(([name, { schemas, reads, written, failed }]) =>
      [name.padEnd(34), schemas, reads, written, failed].map((each) => String(each).padStart(9)).join(''),
    )
    return [
      `${'feature'.padEnd(34)}  schemas    reads   writes   failed   (of ${this.#epochs} schemas)`,
      ...rows.sort(),
    ].join('\n')
  }
}

function hasChain({ tables }: Schema): boolean {
  const parents = (name: string): string[] =>
    tables
      .find((table) => table.name === name)
      ?.foreign.map(({ parent }) => parent.name)
      .filter((each) => each !== name) ?? []
  return tables.some(({ name }) => parents(name).some((parent) => parents(parent).length > 0))
}

const FEATURES: readonly (readonly [name: string, pattern: RegExp])[] = [
  ...['cascade', 'set null', 'set default', 'restrict', 'no action'].flatMap((action) => [
    [`on delete ${action}`, new RegExp(`references .*on delete ${action}`, 'i')] as const,
    [`on update ${action}`, new RegExp(`references .*on update ${action}`, 'i')] as const,
  ]),
  ['deferred foreign key', /initially deferred/],
  ['reference to itself', /create table ("[^"]+") [^;]*references \1/],
  ['composite foreign key', /foreign key \(.*,.*\)/],
  ['view', /create (?:or replace )?view/],
  ['view of a view', /create view "v\d" [^;]*(?:from|join) "v\d"/],
  ['materialized view', /materialized view/],
  ['refresh', /^refresh/],
  ['partitions', /partition (?:by|of)/],
  ['inheritance', /inherits/],
  ['before trigger', /create trigger .* before/],
  ['after trigger', /create trigger .* after/],
  ['instead of trigger', /instead of/],
  ['trigger with when', /create trigger .* when /],
  ['trigger update of', /(?:after|before) update of/],
  ['statement trigger', /for each statement/],
  ['truncate trigger', /create trigger .*truncate/],
  ['stored column', /generated always as .* stored/],
  ['virtual column', /generated always as .* virtual/],
  ['default', / default /],
  ['nocase', /collate nocase/i],
  ['rtrim', /collate rtrim/i],
  ['binary', /collate (?:binary|"C")/i],
  ['nondeterministic collation', /collate "folding"/],
  ['odd affinity', / (?:STRING|FLOATING POINT|BLOB)\b/],
  ['without rowid', /without rowid/i],
  ['strict', /\bSTRICT\b/],
  ['partial index', /create unique index .* where /],
  ['expression index', /create unique index .*lower\(/],
  ['upsert', /on conflict/i],
  ['upsert on partial index', /on conflict \("[^"]+"\) where/],
  ['upsert on expression', /on conflict \(lower/],
  ['replace', /^(?:replace|insert or replace)/i],
  ['insert or …', /insert or (?:ignore|abort|fail|rollback)/i],
  ['update or …', /^update or/i],
  ['update from', /^update .* from /s],
  ['delete using', /^delete .* using /s],
  ['delete returning', /^delete .*returning/is],
  ['returning', /returning/i],
  ['returning old and new', /\bold\.|\bbefore\./],
  ['merge', /^merge/],
  ['data-modifying CTE', /^with .*(?:update|delete|insert)/is],
  ['recursive CTE', /with recursive/],
  ['window', / over \(/],
  ['lateral', /lateral/],
  ['json helpers', /json_(?:agg|group_array|object)|to_json/],
  ['set operation', /\b(?:union|except|intersect)\b/],
  ['exists', /exists/],
  ['in select', /\bin \((?:select|\()/i],
  ['subquery in order by', /order by \(+select/],
  ['subquery in case', /case when \(+select/],
  ['subquery in on', / on .*and \(+select/],
  ['left join', /left join/],
  ['right join', /right join/],
  ['full join', /full join/],
  ['row value', /\("[^"]+"(?:\."[^"]+")?, "[^"]+"(?:\."[^"]+")?\) (?:=|in)/],
  ['savepoint', /^savepoint/i],
  ['rollback to', /^rollback .*to/i],
  ['release', /^release/i],
  ['isolation level', /isolation level/i],
  ['chained transaction', /and chain/],
  ['search_path', /search_path/],
  ['set local', /set local/],
  ['role', /role "oracle_reader"/],
  ['pragma', /^pragma/i],
  ['temporary table', /create temp/],
  ['add column', /add column/],
  ['drop column', /drop column/],
  ['rename column', /rename column/],
  ['rename table', /rename to/],
  ['drop table', /^drop table/],
  ['create table', /^create table/],
  ['drop view', /^drop view/],
  ['drop trigger', /^drop (?:trigger|rule)/],
  ['create trigger', /^create (?:trigger|or replace rule)/],
  ['drop index', /^drop index/],
  ['create index', /^create (?:unique )?index/],
  ['alter type', /alter column .* type/],
  ['truncate', /^truncate/i],
  ['do block', /^do /],
  ['locking read', /for (?:update|share|no key)/],
  ['bulk', /^insert [^]{40000}/],
]

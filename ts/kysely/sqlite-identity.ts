import { randomBytes } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'

import { shared } from '../shared.ts'
import type { RunSql } from './facts.ts'

/**
 * Which SQLite database a connection has as `main`.
 *
 * @param file as `pragma_database_list` names it; empty for a database in memory.
 * @throws when the file is not there: a name that only its server knows tells nothing.
 */
export function sqliteIdentity(file: string, run: RunSql): Promise<string> {
  return file === '' ? memoryIdentity(run) : fileIdentity(file)
}

async function fileIdentity(file: string): Promise<string> {
  const [path, found] = await Promise.all([realpath(file), stat(file, { bigint: true })])
  // A deleted and recreated file often has its predecessor's inode; only the time of its birth differs.
  // Without it the path must do, and then a hard link is another database.
  return `sqlite:${found.dev}:${found.ino}:${(await knowsBirth()) ? found.birthtimeNs : path}`
}

/** Where the system does not tell a file's birth, Node answers with the time of its last change. */
async function knowsBirth(): Promise<boolean> {
  const { birthtimeNs, ctimeNs } = await stat(process.execPath, { bigint: true })
  return birthtimeNs !== ctimeNs
}

const MARK_FLOOR = 2n ** 40n
const MARK_RANGE = 2n ** 52n - MARK_FLOOR

/** Marks of this thread, since an application may have set a limit of that size itself; and who marks now. */
const marks = shared('marks', () => ({ known: new Set<bigint>(), marking: Promise.resolve() as Promise<unknown> }))

/**
 * A database in memory has no name, but the limit of its journal is a number that every connection object reads and that
 * means nothing in memory: it becomes the name.
 */
function memoryIdentity(run: RunSql): Promise<string> {
  const mark = async (): Promise<string> => {
    const found = await journalLimit(run)
    if (marks.known.has(found)) return `sqlite:memory:${found}`
    const chosen = MARK_FLOOR + (randomBytes(8).readBigUInt64LE() % MARK_RANGE)
    await run(`PRAGMA main.journal_size_limit = ${chosen}`)
    if ((await journalLimit(run)) !== chosen) throw new Error('a database in memory that cannot be told from others')
    marks.known.add(chosen)
    return `sqlite:memory:${chosen}`
  }
  // One at a time: two Kysely objects over one database would both find it unmarked.
  const turn = marks.marking.then(mark)
  marks.marking = turn.catch(() => undefined)
  return turn
}

async function journalLimit(run: RunSql): Promise<bigint> {
  const [row] = await run('PRAGMA main.journal_size_limit')
  const [value] = Object.values(row ?? {})
  if (typeof value !== 'number' && typeof value !== 'bigint' && typeof value !== 'string') {
    throw new Error('SQLite does not tell its journal_size_limit')
  }
  return BigInt(value)
}

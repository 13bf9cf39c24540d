/** What the database itself answers to the reads of a pool, asked over and over again, without asking more than is needed. */

import type { PGlite } from '@electric-sql/pglite'
import { protocol } from '@electric-sql/pglite'
import type { CompiledQuery, Kysely } from 'kysely'

import { groupsOf } from '../support/wire.ts'
import { Answer } from './compare.ts'
import type { MemoDatabase } from './sqlite-memo.ts'

export interface Question {
  readonly compiled: CompiledQuery
  /** a raw query answers with a whole `QueryResult` */
  readonly raw: boolean
  readonly ordered: boolean
}

export interface Truths {
  /** In the order of the questions. An answer that cannot have changed is the same object as before. */
  answers(questions: readonly Question[]): Promise<Answer[]>
}

export async function ask(plain: Kysely<any>, { compiled, raw, ordered }: Question): Promise<Answer> {
  try {
    const result = await plain.executeQuery(compiled)
    return Answer.of(raw ? result : result.rows, ordered)
  } catch (error) {
    return Answer.ofError(error)
  }
}

/** Asks again only after something has been written on one of the connections. */
export class SqliteTruths implements Truths {
  readonly #plain: Kysely<any>
  readonly #connections: readonly MemoDatabase[]
  readonly #known = new Map<Question, { readonly stamp: string; readonly answer: Answer }>()

  constructor(plain: Kysely<any>, connections: readonly MemoDatabase[]) {
    this.#plain = plain
    this.#connections = connections
  }

  async answers(questions: readonly Question[]): Promise<Answer[]> {
    const stamp = this.#connections.map((connection) => connection.stamp()).join(' ')
    const answers: Answer[] = []
    for (const question of questions) {
      let known = this.#known.get(question)
      if (known?.stamp !== stamp) {
        known = { stamp, answer: await ask(this.#plain, question) }
        this.#known.set(question, known)
      }
      answers.push(known.answer)
    }
    return answers
  }
}

interface Prepared {
  /** Bind, Execute and Sync; undefined: cannot be prepared */
  readonly messages: Uint8Array | undefined
  bytes: Buffer | undefined
  answer: Answer | undefined
}

/** Sends messages that end with a Sync each, and gives what came back of each. */
export type Execute = (parts: readonly Uint8Array[]) => Promise<Buffer[]>

/** The texts of parameters as they are sent. @throws when one cannot be. */
export type Serialize = (compiled: CompiledQuery) => Promise<readonly (string | null)[]>

/**
 * Executes all questions as prepared statements in one message. Where the bytes that come back are those of the last time, so is the
 * answer; only else is the query executed as Kysely would.
 */
export class PostgresTruths implements Truths {
  readonly #plain: Kysely<any>
  readonly #execute: Execute
  readonly #serialize: Serialize
  readonly #known = new Map<Question, Prepared>()
  #names = 0

  constructor(plain: Kysely<any>, execute: Execute, serialize: Serialize) {
    this.#plain = plain
    this.#execute = execute
    this.#serialize = serialize
  }

  async answers(questions: readonly Question[]): Promise<Answer[]> {
    const prepared: Prepared[] = []
    for (const question of questions) {
      const known = this.#known.get(question)
      const one = known?.answer === undefined ? await this.#prepare(question) : known
      this.#known.set(question, one)
      prepared.push(one)
    }
    const asked = prepared.filter(({ messages }) => messages !== undefined)
    const groups = asked.length === 0 ? [] : await this.#execute(asked.map(({ messages }) => messages!))
    const answers: Answer[] = []
    for (const [index, one] of prepared.entries()) {
      const bytes = one.messages === undefined ? undefined : groups[asked.indexOf(one)]
      if (bytes === undefined || one.bytes === undefined || !bytes.equals(one.bytes) || one.answer === undefined) {
        one.answer = await ask(this.#plain, questions[index]!)
        one.bytes = bytes
      }
      answers.push(one.answer)
      // A plan that a schema change has made impossible fails from now on.
      if (bytes?.[0] === ERROR || one.messages === undefined) this.#known.delete(questions[index]!)
    }
    return answers
  }

  async #prepare({ compiled }: Question): Promise<Prepared> {
    const name = `oracle_${this.#names++}`
    const { serialize } = protocol
    try {
      const values = [...(await this.#serialize(compiled))]
      const [parsed] = await this.#execute([
        Buffer.concat([serialize.parse({ name, text: compiled.sql }), serialize.sync()]),
      ])
      if (parsed?.[0] === ERROR) throw new Error('not prepared')
      const messages = Buffer.concat([
        serialize.bind({ statement: name, values }),
        serialize.execute({}),
        serialize.sync(),
      ])
      return { messages, bytes: undefined, answer: undefined }
    } catch {
      return { messages: undefined, bytes: undefined, answer: undefined }
    }
  }
}

export function executeOn(pglite: PGlite): Execute {
  return async (parts) => {
    const { groups } = groupsOf(Buffer.from(await pglite.execProtocolRaw(Buffer.concat(parts))))
    if (groups.length !== parts.length) throw new Error(`${groups.length} answers to ${parts.length} questions`)
    return groups
  }
}

export function serializeAs(pglite: PGlite): Serialize {
  return async ({ sql, parameters }) => {
    const { queryParams } = await pglite.describeQuery(sql)
    return parameters.map((value, index) => {
      if (value === null || value === undefined) return null
      const { serializer } = queryParams[index]!
      return serializer === undefined ? (value as { toString(): string }).toString() : serializer(value)
    })
  }
}

/** Drivers of servers send texts, whatever the type: which ones matters only to whether an answer counts as the one of the last time. */
export function serializeTexts({ parameters }: CompiledQuery): Promise<readonly (string | null)[]> {
  return Promise.resolve(parameters.map(textOf))
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return String(value)
  if (Buffer.isBuffer(value)) return String.raw`\x${value.toString('hex')}`
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value))
    return `{${value.map((each) => (each === null ? 'null' : JSON.stringify(textOf(each)))).join(',')}}`
  return typeof value === 'string'
    ? value
    : JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
}

const ERROR = 'E'.charCodeAt(0)

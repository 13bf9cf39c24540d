import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { protocol } from '@electric-sql/pglite'

const READY = 'Z'.charCodeAt(0)

/** Cuts what a server has sent after each message that says that it is ready. */
export function groupsOf(all: Buffer): { readonly groups: Buffer[]; readonly rest: Buffer } {
  const groups: Buffer[] = []
  let from = 0
  for (let at = 0; at + 5 <= all.length;) {
    const next = at + 1 + all.readInt32BE(at + 1)
    if (next > all.length) break
    if (all[at] === READY) {
      groups.push(all.subarray(from, next))
      from = next
    }
    at = next
  }
  return { groups, rest: all.subarray(from) }
}

/** A connection to a server that takes and gives the messages of PostgreSQL's protocol as they are. */
export class Wire {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  /** @param path of the server's socket. */
  static async open(path: string, user: string, database: string): Promise<Wire> {
    const socket = connect(path)
    await once(socket, 'connect')
    const wire = new Wire(socket)
    await wire.execute([protocol.serialize.startup({ user, database }) as Uint8Array])
    return wire
  }

  /** What comes back of each part. Each must end with a Sync. */
  async execute(parts: readonly Uint8Array[]): Promise<Buffer[]> {
    const socket = this.#socket
    const groups: Buffer[] = []
    let rest: Buffer = Buffer.alloc(0)
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        socket.off('data', data)
        socket.off('close', closed)
      }
      const closed = (): void => {
        settle()
        reject(new Error('the server has closed the connection'))
      }
      const data = (chunk: Buffer): void => {
        const cut = groupsOf(Buffer.concat([rest, chunk]))
        groups.push(...cut.groups)
        rest = cut.rest
        if (groups.length < parts.length) return
        settle()
        resolve(groups)
      }
      socket.on('data', data)
      socket.on('close', closed)
      socket.write(Buffer.concat(parts))
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

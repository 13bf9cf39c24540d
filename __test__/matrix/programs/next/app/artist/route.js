import { cacheops, db, VERSION } from '../../database.js'

export const dynamic = 'force-dynamic'

export async function GET(request) {
  const id = Number(new URL(request.url).searchParams.get('id'))
  let hit
  const stop = cacheops.on('read', (event) => (hit = event.hit))
  const row = await db.selectFrom('artist').select('name').where('id', '=', id).cache().executeTakeFirst()
  stop()
  return Response.json({ version: VERSION, pid: process.pid, name: row?.name, hit })
}

import { db } from '../../database.js'

export async function POST(request) {
  const { id, name } = await request.json()
  await db.updateTable('artist').set({ name }).where('id', '=', id).execute()
  return Response.json({})
}

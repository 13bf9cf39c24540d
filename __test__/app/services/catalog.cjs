'use strict'

const { sql } = require('kysely')
const { jsonArrayFrom, jsonObjectFrom } = require('kysely/helpers/postgres')

const { Rejected } = require('../compare.cjs')

/** Products, categories, tags, prices, stock. */
class Catalog {
  constructor(db, mark) {
    this.db = db
    this.mark = mark
  }

  product(tenantId, id) {
    return this.db
      .selectFrom('products')
      .selectAll()
      .where('tenantId', '=', tenantId)
      .where('id', '=', id)
      .executeTakeFirst()
  }

  page(tenantId, categoryId, page, size = 10) {
    let query = this.db
      .selectFrom('products')
      .select(['id', 'sku', 'name', 'price', 'gross', 'tags'])
      .where('tenantId', '=', tenantId)
    if (categoryId !== undefined) query = query.where('categoryId', '=', categoryId)
    return query
      .where('deletedAt', 'is', null)
      .orderBy('name')
      .orderBy('id')
      .limit(size)
      .offset(page * size)
      .execute()
  }

  /** The next page by the key of the last row. */
  after(tenantId, lastId) {
    return this.db
      .selectFrom('products')
      .select(['id', 'sku', 'price'])
      .where('tenantId', '=', tenantId)
      .where('id', '>', lastId)
      .orderBy('id')
      .limit(8)
      .execute()
  }

  count(tenantId) {
    return this.db
      .selectFrom('products')
      .select((eb) => eb.fn.countAll().as('n'))
      .where('tenantId', '=', tenantId)
      .where('deletedAt', 'is', null)
      .executeTakeFirstOrThrow()
  }

  exists(tenantId, sku) {
    return this.db
      .selectNoFrom((eb) =>
        eb
          .exists(eb.selectFrom('products').select('id').where('tenantId', '=', tenantId).where('sku', '=', sku))
          .as('found'),
      )
      .executeTakeFirstOrThrow()
  }

  withEverything(id) {
    return this.db
      .selectFrom('products as p')
      .select((eb) => [
        'p.id',
        'p.name',
        'p.attributes',
        jsonObjectFrom(
          eb.selectFrom('categories as c').select(['c.id', 'c.name']).whereRef('c.id', '=', 'p.categoryId'),
        ).as('category'),
        jsonArrayFrom(
          eb
            .selectFrom('productTags as pt')
            .innerJoin('tags as t', 't.id', 'pt.tagId')
            .select(['t.id', 't.name'])
            .whereRef('pt.productId', '=', 'p.id')
            .orderBy('t.id'),
        ).as('labels'),
        jsonArrayFrom(
          eb
            .selectFrom('stock as s')
            .select(['s.warehouseId', 's.onHand'])
            .whereRef('s.productId', '=', 'p.id')
            .orderBy('s.warehouseId'),
        ).as('stock'),
      ])
      .where('p.id', '=', id)
      .executeTakeFirst()
  }

  search(tenantId, words) {
    return this.mark(
      this.db
        .selectFrom('products')
        .select(['id', 'name', sql`round(ts_rank(search, plainto_tsquery('simple', ${words}))::numeric, 4)`.as('rank')])
        .where('tenantId', '=', tenantId)
        .where(sql`search @@ plainto_tsquery('simple', ${words})`)
        .orderBy('rank', 'desc')
        .orderBy('id')
        .limit(10),
    ).execute()
  }

  byTag(tenantId, tag) {
    return this.db
      .selectFrom('products')
      .select(['id', 'tags'])
      .where('tenantId', '=', tenantId)
      .where(sql`${tag} = any(tags)`)
      .orderBy('id')
      .execute()
  }

  byAttribute(tenantId, color) {
    return this.db
      .selectFrom('products')
      .select(['id', 'attributes'])
      .where('tenantId', '=', tenantId)
      .where(sql`attributes @> ${JSON.stringify({ color })}::text::jsonb`)
      .orderBy('id')
      .execute()
  }

  live(tenantId) {
    return this.mark(
      this.db
        .selectFrom('liveProducts')
        .select(['id', 'name', 'gross'])
        .where('tenantId', '=', tenantId)
        .orderBy('id')
        .limit(15),
    ).execute()
  }

  /** All categories below one, with their depth. */
  tree(rootId) {
    return this.mark(
      this.db
        .withRecursive('branch(id, parentId, name, depth)', (qb) =>
          qb
            .selectFrom('categories')
            .select(['id', 'parentId', 'name', sql`0`.as('depth')])
            .where('id', '=', rootId)
            .unionAll(
              qb
                .selectFrom('categories as c')
                .innerJoin('branch as b', 'b.id', 'c.parentId')
                .select(['c.id', 'c.parentId', 'c.name', sql`b.depth + 1`.as('depth')]),
            ),
        )
        .selectFrom('branch')
        .selectAll()
        .orderBy('depth')
        .orderBy('id'),
    ).execute()
  }

  /** Optimistic locking: whoever saw an older version is told so. */
  async reprice(id, version, price) {
    const { numUpdatedRows } = await this.db
      .updateTable('products')
      .set((eb) => ({ price, version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .where('version', '=', version)
      .executeTakeFirstOrThrow()
    if (numUpdatedRows === 0n) throw new Rejected('somebody else was faster')
    return numUpdatedRows
  }

  rename(id, name) {
    return this.db
      .updateTable('products')
      .set({ name })
      .where('id', '=', id)
      .returning(['id', 'name', 'revision'])
      .execute()
  }

  softDelete(id, at) {
    return this.db
      .updateTable('products')
      .set({ deletedAt: at })
      .where('id', '=', id)
      .where('deletedAt', 'is', null)
      .execute()
  }

  upsert(row) {
    return this.db
      .insertInto('products')
      .values(row)
      .onConflict((oc) =>
        oc
          .columns(['tenantId', 'sku'])
          .doUpdateSet((eb) => ({ name: eb.ref('excluded.name'), price: eb.ref('excluded.price'), deletedAt: null })),
      )
      .returning(['id', 'version'])
      .execute()
  }

  importMany(rows) {
    return this.db
      .insertInto('products')
      .values(rows)
      .onConflict((oc) => oc.doNothing())
      .execute()
  }

  retag(productId, tagIds) {
    return this.db.transaction().execute(async (trx) => {
      await trx.deleteFrom('productTags').where('productId', '=', productId).execute()
      if (tagIds.length > 0)
        await trx
          .insertInto('productTags')
          .values(tagIds.map((tagId) => ({ productId, tagId })))
          .execute()
      return trx.selectFrom('productTags').selectAll().where('productId', '=', productId).orderBy('tagId').execute()
    })
  }

  moveCategory(id, parentId) {
    return this.db.updateTable('categories').set({ parentId }).where('id', '=', id).execute()
  }

  /** ON UPDATE CASCADE, to the categories below and the products in it. */
  renumberCategory(id, to) {
    return this.db.updateTable('categories').set({ id: to }).where('id', '=', id).execute()
  }

  deleteCategory(id) {
    return this.db.deleteFrom('categories').where('id', '=', id).execute()
  }

  remove(id) {
    return this.db.deleteFrom('products').where('id', '=', id).returning('sku').execute()
  }

  /** A trigger brings what is on hand up to date. */
  moveStock(warehouseId, productId, delta) {
    return this.db.insertInto('stockMoves').values({ warehouseId, productId, delta, reason: 'count' }).execute()
  }

  onHand(productId) {
    return this.db
      .selectFrom('stock')
      .innerJoin('warehouses as w', 'w.id', 'stock.warehouseId')
      .select(['w.name', 'stock.onHand'])
      .where('productId', '=', productId)
      .orderBy('w.name')
      .orderBy('w.id')
      .execute()
  }

  async visited(tenantId, productId) {
    await this.db
      .insertInto('visits')
      .values({ tenantId, productId })
      .onConflict((oc) =>
        oc.columns(['tenantId', 'productId']).doUpdateSet((eb) => ({ seen: eb('visits.seen', '+', 1) })),
      )
      .execute()
    return this.db
      .selectFrom('visits')
      .select(['productId', 'seen'])
      .where('tenantId', '=', tenantId)
      .orderBy('seen', 'desc')
      .orderBy('productId')
      .limit(5)
      .execute()
  }

  async all(tenantId) {
    const rows = []
    for await (const row of this.db
      .selectFrom('products')
      .select(['id', 'sku'])
      .where('tenantId', '=', tenantId)
      .orderBy('id')
      .stream(20))
      rows.push(row)
    return rows
  }
}

module.exports = { Catalog }

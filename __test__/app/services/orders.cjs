'use strict'

const { sql } = require('kysely')
const { jsonArrayFrom } = require('kysely/helpers/postgres')

const { Rejected } = require('../compare.cjs')

/** Orders, shipments, payments, the ledger. */
class Orders {
  constructor(db, mark) {
    this.db = db
    this.mark = mark
  }

  order(tenantId, id) {
    return this.db
      .selectFrom('orders as o')
      .innerJoin('customers as c', 'c.id', 'o.customerId')
      .innerJoin('statuses as s', 's.code', 'o.status')
      .select((eb) => [
        'o.id',
        'o.total',
        'o.placedAt',
        'o.revision',
        'c.name as customer',
        's.label',
        jsonArrayFrom(
          eb
            .selectFrom('orderLines as l')
            .leftJoin('products as p', 'p.id', 'l.productId')
            .select(['l.line', 'l.quantity', 'l.amount', 'p.name'])
            .whereRef('l.tenantId', '=', 'o.tenantId')
            .whereRef('l.orderId', '=', 'o.id')
            .orderBy('l.line'),
        ).as('lines'),
      ])
      .where('o.tenantId', '=', tenantId)
      .where('o.id', '=', id)
      .executeTakeFirst()
  }

  ofCustomer(customerId) {
    return this.db
      .selectFrom('orders')
      .select(['tenantId', 'id', 'status', 'total', 'note'])
      .where('customerId', '=', customerId)
      .orderBy('id', 'desc')
      .limit(10)
      .execute()
  }

  summaries(tenantId, status) {
    return this.mark(
      this.db
        .selectFrom('orderSummaries')
        .selectAll()
        .where('tenantId', '=', tenantId)
        .where('status', '=', status)
        .orderBy('id')
        .limit(20),
    ).execute()
  }

  lines(tenantId, orderId) {
    return this.db
      .selectFrom('orderLines')
      .selectAll()
      .where('tenantId', '=', tenantId)
      .where('orderId', '=', orderId)
      .orderBy('line')
      .execute()
  }

  place(tenantId, customerId, placedAt, items) {
    return this.db.transaction().execute(async (trx) => {
      const { id } = await trx
        .insertInto('orders')
        .values({ tenantId, customerId, placedAt })
        .returning('id')
        .executeTakeFirstOrThrow()
      const lines = items.map(({ productId, quantity, price }, at) => ({
        tenantId,
        orderId: id,
        line: at + 1,
        productId,
        quantity,
        price,
      }))
      await trx.insertInto('orderLines').values(lines).execute()
      const { total } = await trx
        .selectFrom('orders')
        .select('total')
        .where('tenantId', '=', tenantId)
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      if (Number(total) > 5000) throw new Rejected('over the limit')
      return { id, total }
    })
  }

  /** Each shipment that is refused is taken back alone. */
  async ship(tenantId, orderId, warehouses) {
    const trx = await this.db.startTransaction().execute()
    try {
      const shipped = []
      for (const warehouseId of warehouses) {
        const point = await trx.savepoint('shipment').execute()
        try {
          const { id } = await point
            .insertInto('shipments')
            .values({ tenantId, orderId, warehouseId, carrier: 'post' })
            .returning('id')
            .executeTakeFirstOrThrow()
          await point
            .insertInto('shipmentLines')
            .columns(['shipmentId', 'tenantId', 'orderId', 'line', 'quantity'])
            .expression((eb) =>
              eb
                .selectFrom('orderLines')
                .select([eb.val(id).as('s'), 'tenantId', 'orderId', 'line', 'quantity'])
                .where('tenantId', '=', tenantId)
                .where('orderId', '=', orderId),
            )
            .execute()
          await point.releaseSavepoint('shipment').execute()
          shipped.push(id)
        } catch {
          await point.rollbackToSavepoint('shipment').execute()
        }
      }
      await trx
        .updateTable('orders')
        .set({ status: shipped.length > 0 ? 'shipped' : 'held' })
        .where('tenantId', '=', tenantId)
        .where('id', '=', orderId)
        .execute()
      await trx.commit().execute()
      return shipped
    } catch (error) {
      await trx.rollback().execute()
      throw error
    }
  }

  shipments(tenantId, orderId) {
    return this.db
      .selectFrom('shipments as s')
      .leftJoin('warehouses as w', 'w.id', 's.warehouseId')
      .select((eb) => [
        's.id',
        's.carrier',
        'w.name',
        eb
          .selectFrom('shipmentLines as l')
          .select((inner) => inner.fn.sum('l.quantity').as('n'))
          .whereRef('l.shipmentId', '=', 's.id')
          .as('pieces'),
      ])
      .where('s.tenantId', '=', tenantId)
      .where('s.orderId', '=', orderId)
      .orderBy('s.id')
      .execute()
  }

  pay(tenantId, orderId, amount) {
    return this.db.insertInto('payments').values({ tenantId, orderId, amount, method: 'card' }).returningAll().execute()
  }

  payments(tenantId, orderId) {
    return this.db
      .selectFrom('payments')
      .select(['id', 'amount', 'method'])
      .where('tenantId', '=', tenantId)
      .where('orderId', '=', orderId)
      .orderBy('id')
      .execute()
  }

  changeQuantity(tenantId, orderId, line, quantity) {
    return this.db
      .updateTable('orderLines')
      .set({ quantity })
      .where('tenantId', '=', tenantId)
      .where('orderId', '=', orderId)
      .where('line', '=', line)
      .execute()
  }

  /** A composite key cascades to lines, shipments, payments. */
  renumber(tenantId, id, to) {
    return this.db.updateTable('orders').set({ id: to }).where('tenantId', '=', tenantId).where('id', '=', id).execute()
  }

  cancel(tenantId, id) {
    return this.db.deleteFrom('orders').where('tenantId', '=', tenantId).where('id', '=', id).execute()
  }

  annotate(tenantId, id, note) {
    return this.db.updateTable('orders').set({ note }).where('tenantId', '=', tenantId).where('id', '=', id).execute()
  }

  book(bookedOn, accountId, amount) {
    return this.db
      .transaction()
      .setIsolationLevel('serializable')
      .execute(async (trx) => {
        await trx
          .insertInto('ledger')
          .values([
            { bookedOn, accountId, amount },
            { bookedOn, accountId: 1, amount: `-${amount}` },
          ])
          .execute()
        return trx
          .selectFrom('ledger')
          .select((eb) => eb.fn.sum('amount').as('sum'))
          .executeTakeFirstOrThrow()
      })
  }

  balance(accountId) {
    return this.db
      .selectFrom('ledger')
      .select((eb) => [eb.fn.sum('amount').as('sum'), eb.fn.countAll().as('n')])
      .where('accountId', '=', accountId)
      .executeTakeFirstOrThrow()
  }

  /** A running sum. */
  statement(accountId) {
    return this.mark(
      this.db
        .selectFrom('ledger')
        .select(['id', 'amount', sql`sum(amount) over (order by booked_on, id)`.as('running')])
        .where('accountId', '=', accountId)
        .orderBy('bookedOn')
        .orderBy('id')
        .limit(12),
    ).execute()
  }

  dashboard(tenantId) {
    return this.mark(
      this.db
        .with('sold', (qb) =>
          qb
            .selectFrom('orderLines')
            .select(['productId', sql`sum(amount)`.as('amount')])
            .where('tenantId', '=', tenantId)
            .groupBy('productId'),
        )
        .selectFrom('sold')
        .innerJoin('products as p', 'p.id', 'sold.productId')
        .select([
          'p.categoryId',
          'p.id',
          'sold.amount',
          sql`rank() over (partition by p.category_id order by sold.amount desc, p.id)`.as('place'),
        ])
        .orderBy('p.categoryId')
        .orderBy('place')
        .limit(25),
    ).execute()
  }

  /** The two last orders of each customer. */
  recent(tenantId) {
    return this.db
      .selectFrom('customers as c')
      .innerJoinLateral(
        (eb) =>
          eb
            .selectFrom('orders as o')
            .select(['o.id', 'o.total'])
            .whereRef('o.customerId', '=', 'c.id')
            .orderBy('o.id', 'desc')
            .limit(2)
            .as('last'),
        (join) => join.onTrue(),
      )
      .select(['c.id', 'c.name', 'last.id as orderId', 'last.total'])
      .where('c.tenantId', '=', tenantId)
      .orderBy('c.id')
      .orderBy('last.id')
      .execute()
  }

  async report(tenantId) {
    await sql`refresh materialized view sales_by_category`.execute(this.db)
    return this.sales(tenantId)
  }

  sales(tenantId) {
    return this.mark(
      this.db.selectFrom('salesByCategory').selectAll().where('tenantId', '=', tenantId).orderBy('categoryId'),
    ).execute()
  }

  net(tenantId) {
    return this.mark(
      this.db
        .selectFrom('products')
        .select(['id', sql`net(gross, 0.19)`.as('net')])
        .where('tenantId', '=', tenantId)
        .orderBy('id')
        .limit(5),
    ).execute()
  }
}

module.exports = { Orders }

//! SQL text to cache plan, key, dependencies and stamps. Knows nothing of JavaScript, of Redis, or of any driver.
//!
//! Two flows meet in a [`database::Database`]:
//!
//! * **read**: [`normalize`] collapses the text, [`parse`] and [`plan`] turn it into a [`plan::Plan`] (once per shape);
//!   [`bind`] joins the plan with encoded parameters ([`value`], [`class`]) into a key ([`key`]) and a token, the sum of the
//!   stamps ([`stamps`]) of all conditions that the result depends on. Before it loads a stamp it registers the scheme of
//!   each condition ([`registry`]), so that writers know what to compute.
//! * **write**: the same plan says how the text can be extended so that the database returns the changed rows
//!   ([`images`]); [`affected`] turns those rows, or what WHERE and SET tell, into changes, adds what cascades and
//!   triggers do ([`effects`]), and after the commit [`invalidate`] drops the stamps.
//!
//! One rule stands above all others: what is not known is invalidated more widely, never less.

#![warn(missing_docs)]

pub mod affected;
pub mod bind;
pub mod bindings;
mod blocks;
pub mod canonical;
pub mod change;
pub mod class;
pub mod columns;
pub mod database;
pub mod dispatch;
pub mod dnf;
pub mod effects;
pub mod error;
pub mod expand;
pub mod explain;
pub mod extract;
mod from;
pub mod functions;
pub mod hidden;
pub mod image_text;
pub mod images;
pub mod invalidate;
pub mod key;
pub mod keywords;
pub mod kinds;
pub mod lex;
mod locked_images;
pub mod named;
mod names;
pub mod normalize;
pub mod op;
pub mod parse;
pub mod pending;
pub mod plan;
pub mod read;
pub mod registry;
pub mod resolve;
pub mod rewrite;
pub mod schema;
pub mod shape;
pub mod stamps;
pub mod triggers;
pub mod value;
pub mod words;
pub mod write;

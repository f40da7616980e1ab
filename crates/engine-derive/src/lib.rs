//! `#[derive(Replicate)]`: how the fields of a component, an input or an event travel.
//!
//! ```ignore
//! #[derive(Component, Replicate)]
//! #[replicate(version = 2)]          // raise it when fields were added at the end; never reorder or remove
//! struct Wolf {
//!     #[replicate(quant = 0.1)]      // clients get multiples of 0.1; a handoff carries the exact value
//!     heading: f32,
//!     #[replicate(rate = 2)]         // clients are told of changes at most twice a second
//!     hunger: u8,
//!     #[replicate(owner)]            // only the client that steers this entity sees it
//!     gold: u64,
//!     #[replicate(server)]           // travels in handoffs and checkpoints, never to a client
//!     anger: f32,
//! }
//!
//! #[derive(Replicate)]
//! struct Bite {                      // an input
//!     #[replicate(entity)]           // a number on the wire: means nothing to another server
//!     whom: u16,
//! }
//! ```

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, LitFloat, LitInt, LitStr, Member, parse_macro_input};

/// Most fields of one struct: their mask is 32 bits.
const MOST_FIELDS: usize = 32;

/// Implements `pangea_engine::Replicate` for a struct; see the crate.
#[proc_macro_derive(Replicate, attributes(replicate))]
pub fn replicate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// What `#[replicate(…)]` says of a field.
struct How {
    quant: Option<f64>,
    rate_hz: u32,
    audience: Tokens,
    entity: bool,
}

fn expand(input: &DeriveInput) -> syn::Result<Tokens> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "Replicate is for structs: an enum travels as a number",
        ));
    };
    if data.fields.len() > MOST_FIELDS {
        return Err(Error::new_spanned(&input.ident, "at most 32 fields; make two components of it"));
    }
    let (name, version) = about_struct(input)?;
    let mut infos = Vec::new();
    let mut put_shown = Vec::new();
    let mut take_shown = Vec::new();
    let mut put_whole = Vec::new();
    let mut take_whole = Vec::new();
    let mut members = Vec::new();
    for (n, field) in data.fields.iter().enumerate() {
        let member = field.ident.clone().map_or_else(|| Member::from(n), Member::Named);
        let text = field.ident.as_ref().map_or_else(|| n.to_string(), ToString::to_string);
        let (ty, how) = (&field.ty, about_field(field)?);
        let (rate_hz, audience, entity) = (how.rate_hz, how.audience, how.entity);
        let quant = how.quant.unwrap_or(0.0);
        infos.push(quote! {
            ::pangea_engine::FieldInfo {
                name: #text,
                kind: || <#ty as ::pangea_engine::Field>::kind(),
                quant: #quant,
                audience: ::pangea_engine::Audience::#audience,
                rate_hz: #rate_hz,
                entity: #entity,
            }
        });
        let n = n as u32;
        if how.quant.is_some() {
            put_shown
                .push(quote! { #n => ::pangea_engine::field::put_quantised(self.#member, #quant, out), });
            take_shown
                .push(quote! { #n => self.#member = ::pangea_engine::field::take_quantised(from, #quant)?, });
        } else {
            put_shown.push(quote! { #n => ::pangea_engine::Field::put(&self.#member, out), });
            take_shown.push(quote! { #n => self.#member = ::pangea_engine::Field::take(from)?, });
        }
        put_whole.push(quote! { ::pangea_engine::Field::put(&self.#member, out); });
        let local = format_ident!("field_{}", n);
        take_whole.push(quote! { let #local: #ty = ::pangea_engine::field::take_or_default(from)?; });
        members.push((member, local));
    }
    let build = members.iter().map(|(member, local)| quote! { #member: #local });
    let empty = members.iter().map(|(member, _)| quote! { #member: ::core::default::Default::default() });
    let ident = &input.ident;
    let (impls, types, wheres) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impls ::pangea_engine::Replicate for #ident #types #wheres {
            const NAME: &'static str = #name;
            const VERSION: u8 = #version;
            const FIELDS: &'static [::pangea_engine::FieldInfo] = &[#(#infos),*];

            fn empty() -> Self {
                Self { #(#empty),* }
            }

            #[allow(unused_variables)]
            fn put_shown(&self, field: u32, out: &mut ::std::vec::Vec<u8>) {
                match field {
                    #(#put_shown)*
                    _ => {}
                }
            }

            #[allow(unused_variables)]
            fn take_shown(
                &mut self,
                field: u32,
                from: &mut &[u8],
            ) -> ::core::result::Result<(), ::pangea_engine::Malformed> {
                match field {
                    #(#take_shown)*
                    _ => return Err(::pangea_engine::Malformed),
                }
                #[allow(unreachable_code)]
                Ok(())
            }

            #[allow(unused_variables)]
            fn put_whole(&self, out: &mut ::std::vec::Vec<u8>) {
                #(#put_whole)*
            }

            #[allow(unused_variables)]
            fn take_whole(from: &mut &[u8]) -> ::core::result::Result<Self, ::pangea_engine::Malformed> {
                #(#take_whole)*
                Ok(Self { #(#build),* })
            }
        }
    })
}

/// `#[replicate(name = "…", version = 2)]` above the struct.
fn about_struct(input: &DeriveInput) -> syn::Result<(String, u8)> {
    let (mut name, mut version) = (input.ident.to_string(), 1);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("replicate")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("version") {
                version = meta.value()?.parse::<LitInt>()?.base10_parse()?;
            } else {
                return Err(meta.error("of a struct: name = \"…\" or version = 1"));
            }
            Ok(())
        })?;
    }
    Ok((name, version))
}

fn about_field(field: &syn::Field) -> syn::Result<How> {
    let mut how = How { quant: None, rate_hz: 0, audience: quote!(All), entity: false };
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("replicate")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("quant") {
                let literal = meta.value()?.parse::<LitFloat>()?;
                let step: f64 = literal.base10_parse()?;
                if !(step.is_finite() && step > 0.0) {
                    return Err(Error::new_spanned(literal, "a step is greater than 0"));
                }
                how.quant = Some(step);
            } else if meta.path.is_ident("rate") {
                how.rate_hz = meta.value()?.parse::<LitInt>()?.base10_parse()?;
            } else if meta.path.is_ident("owner") {
                how.audience = quote!(Owner);
            } else if meta.path.is_ident("server") {
                how.audience = quote!(Server);
            } else if meta.path.is_ident("entity") {
                how.entity = true;
            } else {
                return Err(meta.error("of a field: quant = 0.1, rate = 5, owner, server or entity"));
            }
            Ok(())
        })?;
    }
    Ok(how)
}

//! authenticatorConfig (CTAP 2.3 section 6.11).

use alloc::vec::Vec;

use super::{
    entity,
    pin_uv_auth::PinUvAuth,
    read::{self, optional},
    status::Status,
    subcommand::{self, Received},
    write::{self, Members},
};
use crate::{
    cbor::{Entries, Item, Writer},
    webauthn::RpId,
};

/// How many RP IDs of one request are kept: one more than an authenticator may take (64), so that it sees that there are too
/// many.
const MAX_RP_IDS: usize = 65;

/// The request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// 0x01 and 0x02
    pub subcommand: Configure,
    /// What pinUvAuthParam is made over, after 32 bytes 0xFF and 0x0D: `subCommand (1 byte) || subCommandParams`, the
    /// latter as it was received and not as it would be written again.
    pub signed: Vec<u8>,
    /// 0x03 and 0x04
    pub pin_uv_auth: Option<PinUvAuth>,
}

/// The sub-commands with their parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configure {
    /// 0x01 enableEnterpriseAttestation
    EnableEnterpriseAttestation,
    /// 0x02 toggleAlwaysUv
    ToggleAlwaysUv,
    /// 0x03 setMinPINLength
    SetMinPinLength(SetMinPinLength),
    /// 0x04 enableLongTouchForReset
    EnableLongTouchForReset,
}

/// The parameters of setMinPINLength.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetMinPinLength {
    /// 0x01: in code points.
    pub new_min_pin_length: Option<u64>,
    /// 0x02: who may learn the length by the extension minPinLength. The first 65.
    pub min_pin_length_rp_ids: Option<Vec<RpId>>,
    /// 0x03: the PIN has to be changed before its next use.
    pub force_change_pin: Option<bool>,
    /// 0x04: the PIN has to fit the authenticator's complexity policy.
    pub pin_complexity_policy: Option<bool>,
}

impl Config {
    /// A request of a platform; [`PinUvAuth`] over 32 bytes 0xFF, 0x0D and `signed` is to be added.
    pub fn new(subcommand: Configure) -> Self {
        let signed = subcommand::signed(subcommand.number(), &subcommand.parameters());
        Self { subcommand, signed, pin_uv_auth: None }
    }

    /// A sub-command that does not exist here is INVALID_PARAMETER (section 6.11: "If the authenticator does not support
    /// the subcommand being invoked, per subCommand's value, return CTAP1_ERR_INVALID_PARAMETER").
    pub(super) fn read(parameters: &Entries<'_>) -> Result<Self, Status> {
        let mut received = Received::read(parameters)?;
        let subcommand = Configure::read(received.number, received.parameters.take())?;
        let signed = received.signed(subcommand.number());
        let pin_uv_auth = received.pin_uv_auth;
        Ok(Self { subcommand, signed, pin_uv_auth })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        let (number, parameters) = (self.subcommand.number(), self.subcommand.parameters());
        subcommand::write(writer, number, &parameters, self.pin_uv_auth.as_ref());
    }
}

impl Configure {
    fn read(number: u64, parameters: Option<Entries<'_>>) -> Result<Self, Status> {
        match number {
            0x01 => Ok(Self::EnableEnterpriseAttestation),
            0x02 => Ok(Self::ToggleAlwaysUv),
            0x04 => Ok(Self::EnableLongTouchForReset),
            0x03 => {
                let read = |parameters| SetMinPinLength::read(&parameters);
                Ok(Self::SetMinPinLength(parameters.map(read).transpose()?.unwrap_or_default()))
            }
            // Among them 0xFF vendorPrototype: there is none here, and getInfo lists none.
            _ => Err(Status::InvalidParameter),
        }
    }

    /// The sub-command's number, as getInfo's authenticatorConfigCommands lists it.
    pub fn number(&self) -> u8 {
        match self {
            Self::EnableEnterpriseAttestation => 0x01,
            Self::ToggleAlwaysUv => 0x02,
            Self::SetMinPinLength(_) => 0x03,
            Self::EnableLongTouchForReset => 0x04,
        }
    }

    /// The canonical map, or nothing where there is nothing to say.
    fn parameters(&self) -> Vec<u8> {
        let Self::SetMinPinLength(parameters) = self else { return Vec::new() };
        if *parameters == SetMinPinLength::default() {
            return Vec::new();
        }
        let mut writer = Writer::new();
        parameters.write(&mut writer);
        writer.finish()
    }
}

impl SetMinPinLength {
    fn read(parameters: &Entries<'_>) -> Result<Self, Status> {
        Ok(Self {
            new_min_pin_length: optional(parameters.at(0x01), read::unsigned)?,
            min_pin_length_rp_ids: optional(parameters.at(0x02), read_rp_ids)?,
            force_change_pin: optional(parameters.at(0x03), read::boolean)?,
            pin_complexity_policy: optional(parameters.at(0x04), read::boolean)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        let mut members = Members::of(writer);
        members.at_some(0x01, self.new_min_pin_length, |w, length| _ = w.unsigned(length));
        members.at_some(0x02, self.min_pin_length_rp_ids.as_deref(), |w, ids| {
            write::array(w, ids, |w, id| _ = w.text(id.as_str()));
        });
        members.at_some(0x03, self.force_change_pin, |w, force| _ = w.boolean(force));
        members.at_some(0x04, self.pin_complexity_policy, |w, policy| _ = w.boolean(policy));
        members.finish();
    }
}

/// minPinLengthRPIDs: every element has to be an RP ID; those beyond [`MAX_RP_IDS`] are passed over, since the shortest is two
/// bytes here and more than twenty where it is kept.
fn read_rp_ids(item: Item<'_>) -> Result<Vec<RpId>, Status> {
    let mut rp_ids = Vec::new();
    for element in read::array(item)? {
        let rp_id = entity::read_rp_id(element)?;
        if rp_ids.len() < MAX_RP_IDS {
            rp_ids.push(rp_id);
        }
    }
    Ok(rp_ids)
}

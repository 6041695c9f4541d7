//! What bounds the accounts.

/// Everything about accounts that is bounded and can be set.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits of accounts")]
pub struct AccountLimits {
    /// Accounts that may exist
    #[arg(
        long,
        env = "TABLEKEEP_MAX_ACCOUNTS",
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u16).range(1..),
        hide_short_help = true
    )]
    pub max_accounts: u16,
    /// Passwords of accounts that wait to be checked; further ones are told that the server is busy
    #[arg(
        long,
        env = "TABLEKEEP_LOGIN_QUEUE",
        value_name = "N",
        default_value_t = 256,
        hide_short_help = true
    )]
    pub login_queue: usize,
}

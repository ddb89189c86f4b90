//! The names of ECR's registries. Pure.

/// Where a registry's name says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::login) enum Place {
    /// `public.ecr.aws`.
    Public,
    Private {
        region: String,
        domain: &'static str,
        fips: bool,
    },
}

impl Place {
    /// The patterns of ECR's names (ECR user guide, "Private registry"; amazon-ecr-credential-helper).
    pub(in crate::login) fn of(registry: &str) -> Option<Self> {
        if registry == "public.ecr.aws" {
            return Some(Self::Public);
        }
        let (account, rest) = registry.split_once(".dkr.").or_else(|| registry.split_once(".dkr-"))?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (fips, rest) = match rest.strip_prefix("ecr-fips.") {
            Some(rest) => (true, rest),
            None => (false, rest.strip_prefix("ecr.")?),
        };
        let (region, domain) = rest.split_once('.')?;
        let domain = match domain {
            "amazonaws.com" | "on.aws" => "amazonaws.com",
            "amazonaws.com.cn" | "on.amazonwebservices.com.cn" => "amazonaws.com.cn",
            "amazonaws.eu" => "amazonaws.eu",
            _ => return None,
        };
        Some(Self::Private { region: region.to_owned(), domain, fips })
    }

    /// The region that its API is in.
    pub(super) fn region(&self) -> &str {
        match self {
            // The only region that has it (ECR Public API reference, endpoints).
            Self::Public => "us-east-1",
            Self::Private { region, .. } => region,
        }
    }

    /// The domain of its partition.
    pub(super) fn domain(&self) -> &str {
        match self {
            Self::Public => "amazonaws.com",
            Self::Private { domain, .. } => domain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_registry_tells_its_region_and_partition() {
        let private = |region: &str, domain, fips| Some(Place::Private { region: region.into(), domain, fips });
        let table = [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", private("eu-west-1", "amazonaws.com", false)),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", private("us-gov-west-1", "amazonaws.com", true)),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", private("cn-north-1", "amazonaws.com.cn", false)),
            ("123456789012.dkr-ecr.eu-west-1.on.aws", private("eu-west-1", "amazonaws.com", false)),
            ("public.ecr.aws", Some(Place::Public)),
            ("12345.dkr.ecr.eu-west-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
            ("ghcr.io", None),
        ];
        for (registry, place) in table {
            assert_eq!(Place::of(registry), place, "{registry}");
        }
    }
}

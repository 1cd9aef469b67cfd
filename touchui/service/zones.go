package service

import (
	"strings"
	"time"
	_ "time/tzdata" // zones, on devices that bring none
)

// zoneRegions are the first parts of the zones.
func zoneRegions() []string {
	return []string{"Europe", "America", "Asia", "Africa", "Australia", "Pacific", "Atlantic", "Indian"}
}

// zonesOf lists the zones of a region that this program knows.
func zonesOf(region string) []string {
	var out []string
	for _, place := range strings.Fields(zonePlaces[region]) {
		z := region + "/" + place
		if _, err := time.LoadLocation(z); err == nil {
			out = append(out, z)
		}
	}
	return out
}

// zonePlaces are the places offered, one for each rule of time in the IANA list that people live by; an agent takes any
// other by fountainctl.
var zonePlaces = map[string]string{
	"Europe":    "Amsterdam Athens Belgrade Berlin Brussels Bucharest Budapest Copenhagen Dublin Helsinki Istanbul Kyiv Lisbon London Luxembourg Madrid Malta Minsk Moscow Oslo Paris Prague Riga Rome Sofia Stockholm Tallinn Vienna Vilnius Warsaw Zagreb Zurich",
	"America":   "Anchorage Argentina/Buenos_Aires Bogota Caracas Chicago Denver Edmonton Halifax Havana Jamaica La_Paz Lima Los_Angeles Mexico_City Montevideo New_York Panama Phoenix Puerto_Rico Regina Santiago Santo_Domingo Sao_Paulo St_Johns Toronto Vancouver Winnipeg",
	"Asia":      "Almaty Amman Baghdad Bahrain Baku Bangkok Beirut Colombo Dhaka Dubai Hong_Kong Jakarta Jerusalem Karachi Kathmandu Kolkata Kuala_Lumpur Kuwait Manila Muscat Qatar Riyadh Seoul Shanghai Singapore Taipei Tashkent Tehran Tokyo Yerevan",
	"Africa":    "Abidjan Accra Addis_Ababa Algiers Cairo Casablanca Dakar Johannesburg Kampala Khartoum Lagos Maputo Nairobi Tunis Windhoek",
	"Australia": "Adelaide Brisbane Darwin Hobart Melbourne Perth Sydney",
	"Pacific":   "Auckland Fiji Guam Honolulu Noumea Port_Moresby Tahiti Tongatapu",
	"Atlantic":  "Azores Bermuda Canary Cape_Verde Madeira Reykjavik",
	"Indian":    "Maldives Mauritius Reunion",
}
